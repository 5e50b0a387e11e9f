"""DP-SGD at a site (Abadi et al., CCS 2016): each step along the noisy sum of some patients' bounded gradients.

Each patient is in a step with a fixed probability, by the operating system's randomness (Poisson sampling); what a
patient gives, all of their cases' gradients added up, is shortened; Gaussian noise is added to the sum. What follows
(division by the number of patients that is expected, as the noisy counts say; a proximal term; the optimizer) looks at
nothing else of the cases.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from fedgraft.client.privacy.case_gradients import bounded_sum, case_gradients, cases_at_once, in_order
from fedgraft.client.privacy.linear_steps import in_closed_form, train_linear
from fedgraft.client.privacy.steps import NoisySteps, by_name, diverged, move
from fedgraft.client.training.loop import LocalTraining, at_rest, build_optimizer
from fedgraft.common.privacy.noise import drawn, with_noise
from fedgraft.common.seeding import seed_generators


def train_with_noise(network: nn.Module, task: LocalTraining, how: NoisySteps, device: torch.device) -> None:
    """Train ``network`` in place: every parameter that requires a gradient, unless its rate is 0. Nothing is told of
    the loss.

    Raises:
        DivergenceError: a weight is not finite.
        BoundsError: the training took longer than the site allows.
    """
    trained = task.trained(network)
    if in_closed_form(network, trained, [how]):
        _in_closed_form(network, trained, task, how, device)
        return
    optimizer = build_optimizer(trained, task)
    centres = task.centres(trained, device)
    network.train()
    with torch.random.fork_rng(devices=[]), at_rest(network, trained):
        seed_generators(int.from_bytes(os.urandom(8), "little") >> 1)  # for dropout
        for _ in range(how.steps):
            task.require_time()
            slope = _noisy_sum(network, trained, task, how, device) / (how.sampled * how.count)
            move(optimizer, trained, by_name(slope, trained), task, centres)
    network.eval()
    if (error := diverged(trained.values(), task.lr)) is not None:
        raise error


def _in_closed_form(
    head: nn.Module, trained: Mapping[str, Tensor], task: LocalTraining, how: NoisySteps, device: torch.device
) -> None:
    start = {name: parameter.detach() for name, parameter in trained.items()}
    (found,) = train_linear(head, start, [task], [how], device)
    if not isinstance(found, dict):
        raise found
    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(found[name])
    head.eval()


def _noisy_sum(
    network: nn.Module, trained: Mapping[str, Tensor], task: LocalTraining, how: NoisySteps, device: torch.device
) -> Tensor:
    """The sum over the patients who are drawn, with noise, ``(D,)`` float64 on the CPU; of nobody it is noise alone."""
    numbers = sum(parameter.numel() for parameter in trained.values())
    cases = in_order(torch.from_numpy(drawn(how.patients.count, how.sampled)), how.patients)

    def parts() -> Iterator[Tensor]:
        for some in cases.split(cases_at_once(numbers)):
            inputs, labels = task.examples.batch(some).to(device), task.examples.labels[some].to(device)
            yield case_gradients(network, trained, task.loss, inputs, labels)

    whose = how.patients.group[cases].tolist()
    summed = (
        bounded_sum(parts(), whose, how.bound, numbers) if len(cases) else torch.zeros(numbers, dtype=torch.float64)
    )
    return torch.from_numpy(with_noise(summed.numpy(), how.bound, how.noise))
