"""Noisy steps by hand: where they lead without noise, what one patient moves, and what the noise is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedgraft.client.features.examples import Examples
from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.privacy.noisy_steps import train_with_noise
from fedgraft.client.privacy.steps import NoisySteps
from fedgraft.client.training.loop import LocalTraining
from fedgraft.common.errors import BoundsError, DivergenceError
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.plan.sections import TrainSection

NO_NOISE = 1e-9
INPUTS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, 1.0]])
TRAIN = TrainSection("sgd", 0.5, 0.0, 0.0, 32, 1, "constant")
Head = tuple[nn.Linear, Callable[[], Tensor]]


def task(inputs: Tensor = INPUTS, labels: tuple[int, ...] = (0, 1, 0), mu: float = 0.0) -> LocalTraining:
    examples = Examples(inputs, torch.tensor(labels))
    received = {"weight": torch.ones(2, 2), "bias": torch.zeros(2)}
    return LocalTraining(examples, CrossEntropy(None), TRAIN, 0.5, torch.Generator(), mu, received)


def how(patients: str, noise: float = NO_NOISE, **more: float) -> NoisySteps:
    return replace(NoisySteps(1, Patients(list(patients)), 4, 1.0, noise, 1.0), **more)  # type: ignore[arg-type]


def moved(of: LocalTraining, steps: NoisySteps) -> Tensor:
    """How far a head of zeros is moved, weight and bias in one vector."""
    head = nn.Linear(2, 2)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    train_with_noise(head, of, steps, torch.device("cpu"))
    return torch.cat([head.weight.detach().reshape(-1), head.bias.detach()])


def test_a_step_is_along_shortened_gradients_over_the_noisy_count() -> None:
    """At zeros a case's residual is (-1/2, 1/2) or (1/2, -1/2); with the bias the cases' gradients are sqrt(5/2),
    1, and sqrt(11/2) long. Each is a patient: shortened to 1, added up, over a count of 4, times the rate."""
    residuals = torch.tensor([[-0.5, 0.5], [0.5, -0.5], [-0.5, 0.5]])
    each = [torch.cat([torch.outer(r, x).reshape(-1), r]) for r, x in zip(residuals, INPUTS, strict=True)]
    expected = -0.5 * sum(one / max(1.0, float(one.norm())) for one in each) / 4
    torch.testing.assert_close(moved(task(), how("abc")), expected, rtol=1e-4, atol=1e-5)
    one = each[0] + each[2]
    together = -0.5 * (one / float(one.norm()) + each[1] / max(1.0, float(each[1].norm()))) / 4
    torch.testing.assert_close(moved(task(), how("aba")), together, rtol=1e-4, atol=1e-5)


def test_the_proximal_term_is_beside_the_bound() -> None:
    """At zeros, ``mu * (0 - 1)`` for each weight: a step of 0.5 * 0.2 towards what came."""
    towards = moved(task(mu=0.2), how("abc")) - moved(task(), how("abc"))
    assert towards.tolist() == pytest.approx([0.1] * 4 + [0.0] * 2, abs=1e-5)


@pytest.mark.parametrize("patients", ["aaab", "abcd", "abbc"])
def test_one_patient_more_moves_a_step_by_the_bound_at_most(patients: str) -> None:
    inputs = torch.cat([INPUTS, torch.tensor([[1e4, -1e4]])])
    whole = moved(task(inputs, (0, 1, 0, 1)), how(patients))
    for left in set(patients):
        stay = [k for k, name in enumerate(patients) if name != left]
        without = task(inputs[stay], tuple((0, 1, 0, 1)[k] for k in stay))
        less = moved(without, how("".join(patients[k] for k in stay)))
        assert float((whole - less).norm()) <= 0.5 * 1.0 / 4 * (1 + 1e-4)


def test_noise_is_of_the_deviation_and_new_each_time() -> None:
    draws = np.array([moved(task(), how("abc", noise=30.0)).numpy() for _ in range(100)])
    assert draws.std() == pytest.approx(0.5 * 30 / 4, rel=0.15)
    assert len({float(draw[0]) for draw in draws}) == 100


def test_patients_are_drawn_each_by_itself() -> None:
    """Of one patient, in a step of every second draw, whose part is divided by that chance."""
    one = task(INPUTS[:1], (0,))
    draws = [float(moved(one, how("a", sampled=0.5)).norm()) for _ in range(200)]
    there = [length for length in draws if length > 1e-6]
    assert 60 < len(there) < 140
    assert there == pytest.approx([0.5 * 1.0 / (0.5 * 4)] * len(there), rel=1e-4)


def test_training_ends_by_name() -> None:
    with pytest.raises(BoundsError, match=r"takes longer than bounds\.seconds"):
        moved(replace(task(), deadline=-1.0), how("abc"))
    with pytest.raises(DivergenceError, match=r"a weight is not finite with train\.lr=1e\+38; lower train\.lr"):
        moved(replace(task(), lr=1e38, train=replace(TRAIN, lr=1e38)), how("abc", steps=2, noise=30.0))
