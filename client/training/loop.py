"""The local training loop: epochs over the site's training cases, starting from the received model."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from fedgraft.client.augmentation.mixing import Mixing
from fedgraft.client.augmentation.views import choose_views
from fedgraft.client.features.examples import Examples
from fedgraft.client.fence.units import UnitWatch
from fedgraft.client.training.before_head import watching
from fedgraft.client.training.steps.linear import LinearHead, is_linear
from fedgraft.client.training.steps.optimizer import Optimizer, optimizer_of
from fedgraft.common.errors import BoundsError, DivergenceError
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.plan.sections import TrainSection
from fedgraft.common.seeding import seed_generators

LossFunction = Callable[[Tensor, Tensor], Tensor]


class TrainingStep(NamedTuple):
    """A batch: indices of its cases ``(B,)`` int64, their inputs ``(B, *shape)`` float32, and their labels (B rows)."""

    cases: Tensor
    inputs: Tensor
    labels: Tensor


class StepOutput(NamedTuple):
    """The result of a forward pass: indices of the cases ``(B,)`` int64, labels (B rows), outputs ``(B, outputs)``, and
    the head's inputs ``(B, F)``."""

    cases: Tensor
    labels: Tensor
    outputs: Tensor
    features: Tensor


Term = Callable[[StepOutput], Tensor]
"""A term to add to the loss: a scalar."""


@dataclass(frozen=True)
class LocalTraining:
    """One site's training in one round.

    Attributes:
        examples: at least one case.
        loss: ``(B, outputs) float32, B labels -> scalar``.
        lr: this round's learning rate.
        generator: draws the order of the cases.
        mu: FedProx's weight of the proximal term; 0 for none.
        received: the received shared weights, by name in the trained network: the centre of the proximal term.
        sampler: chooses the cases of an epoch; ``None`` for each case once.
        mixing: mixes the cases of a batch; ``None`` for no mixing.
        terms: added to the loss; each includes its weight.
        rates: factors of ``lr`` other than 1, by parameter name in the trained network; 0 = not trained.
        watch: sees on how many patients each unit rests; ``None`` if nothing of the training leaves.
        deadline: on `time.monotonic`, after which training ends with an error.
    """

    examples: Examples
    loss: LossFunction
    train: TrainSection
    lr: float
    generator: torch.Generator
    mu: float = 0.0
    received: Mapping[str, Tensor] = field(default_factory=dict)
    sampler: Sampler | None = None
    mixing: Mixing | None = None
    terms: tuple[Term, ...] = ()
    rates: Mapping[str, float] = field(default_factory=dict)
    watch: UnitWatch | None = None
    deadline: float = math.inf

    @property
    def is_plain(self) -> bool:
        """Whether a step is the bare loss, with one learning rate for all parameters."""
        return self.mixing is None and not self.terms and not self.rates

    def steps(self) -> Iterator[TrainingStep]:
        """The batches of all epochs; order and views of the cases are drawn anew for each epoch."""
        for _ in range(self.train.epochs):
            order, views = self._epoch()
            rows, labels = self.examples.rows(order, views), self.examples.labels[order]
            for part in batches(len(order), self.train.batch_size):
                yield TrainingStep(order[part], self.examples.at(rows[part]), labels[part])

    def trained(self, network: nn.Module) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name: those that require a gradient, and whose rate is not 0."""
        return {n: p for n, p in network.named_parameters() if p.requires_grad and self.rates.get(n, 1.0) > 0}

    def centres(self, names: Iterable[str], device: torch.device) -> dict[str, Tensor]:
        """The received weights that the proximal term draws these to, by name; none without the term."""
        near = self.received if self.mu else {}
        return {name: near[name].to(device) for name in names if name in near}

    def require_time(self) -> None:
        """
        Raises:
            BoundsError: the training took longer than the site allows.
        """
        if time.monotonic() > self.deadline:
            raise BoundsError("training for this message takes longer than bounds.seconds")

    def shown(self) -> int:
        """How many cases an epoch shows; does not draw from ``generator``."""
        if self.sampler is None:
            return len(self.examples)
        return len(self.sampler.order(self.examples.labels, torch.Generator().manual_seed(0)))

    def _epoch(self) -> tuple[Tensor, Tensor]:
        """The cases of an epoch in order, and the view of each; repeated cases get a view for each repetition."""
        cases, views = len(self.examples), self.examples.views
        if self.sampler is None:
            order = torch.randperm(cases, generator=self.generator)
            return order, choose_views(cases, views, self.generator)[order]
        order = self.sampler.order(self.examples.labels, self.generator)
        return order, choose_views(len(order), views, self.generator)


def train_locally(network: nn.Module, task: LocalTraining, device: torch.device) -> float:
    """Train ``network`` in place: every parameter that requires a gradient, unless its rate is 0.

    With ``task.mu`` the loss gains ``mu / 2 * sum |w - w_received|^2`` (FedProx, Li et al., MLSys 2020, equation 2).

    Returns:
        the mean loss per case over all epochs, without the proximal term.

    Raises:
        DivergenceError: the loss became infinite or not a number.
        BoundsError: the training took longer than the site allows.
    """
    trained = task.trained(network)
    optimizer = build_optimizer(trained, task)
    anchors = [(trained[name], centre) for name, centre in task.centres(trained, device).items()]
    linear = task.is_plain and not anchors and is_linear(network, trained)
    head = LinearHead(cast(nn.Linear, network), task.loss, task.watch) if linear else None
    network.train()
    total, seen = 0.0, 0
    watching_units = nullcontext() if linear or task.watch is None else task.watch.on(network, trained)
    with torch.random.fork_rng(devices=[]), at_rest(network, trained), watching_units:
        seed_generators(task.generator.initial_seed())  # dropout draws from torch's own generator
        for step in task.steps():
            task.require_time()
            optimizer.zero_grad(set_to_none=True)
            if head is not None:
                loss = head.backward(step.cases, step.inputs.to(device), step.labels.to(device))
            else:
                loss, added = step_loss(network, task, step, device)
                whole = loss + proximal(anchors, task.mu) if anchors else loss
                sum(added, whole).backward()
            optimizer.step()
            total += float(loss.detach()) * len(step.cases)
            seen += len(step.cases)
    network.eval()
    return mean_loss(total, seen, task.lr)


@contextmanager
def at_rest(network: nn.Module, trained: Mapping[str, Tensor]) -> Iterator[None]:
    """Within the block, freeze the parameters of ``network`` (in train mode) that are not in ``trained``.

    They get no gradient, and modules without trained parameters are in eval mode: their batch norms use and keep
    running statistics, and their dropout does nothing.
    """
    resting = {p for name, p in network.named_parameters() if p.requires_grad and name not in trained}
    for module in _resting_modules(network, resting, set(trained.values())):
        module.eval()
    for parameter in resting:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in resting:
            parameter.requires_grad_(True)


def _resting_modules(module: nn.Module, resting: Set[Tensor], trained: Set[Tensor]) -> Iterator[nn.Module]:
    """The outermost modules that have frozen parameters and no trained ones."""
    for child in module.children():
        own = set(child.parameters())
        if own.isdisjoint(resting):
            continue
        if own.isdisjoint(trained):
            yield child
        else:
            yield from _resting_modules(child, resting, trained)


def proximal(anchors: Iterable[tuple[Tensor, Tensor]], mu: float) -> Tensor:
    """FedProx's proximal term over ``(parameter, received parameter)`` pairs, at least one."""
    return mu / 2 * torch.stack([((w - received) ** 2).sum() for w, received in anchors]).sum()


def mean_loss(total: float, seen: int, lr: float) -> float:
    """``total / seen``.

    Raises:
        DivergenceError: it is not finite.
    """
    if not math.isfinite(total):
        raise DivergenceError(f"training diverged: the loss is not finite with train.lr={lr:g}; lower train.lr")
    return total / seen


def step_loss(
    network: nn.Module, task: LocalTraining, step: TrainingStep, device: torch.device
) -> tuple[Tensor, list[Tensor]]:
    """The loss of a step, and the values of the task's further terms."""
    inputs, labels = step.inputs.to(device), step.labels.to(device)
    if task.watch is not None:
        task.watch.step(step.cases)
    mixed = None if task.mixing is None else task.mixing.mix(inputs, task.generator)
    outputs, features = _outputs_and_features(network, inputs if mixed is None else mixed.inputs)
    if task.watch is not None:
        task.watch.outputs(outputs)
    loss = task.loss(outputs, labels) if mixed is None else mixed.loss(task.loss, outputs, labels)
    seen = StepOutput(step.cases, labels, outputs, features)
    return loss, [term(seen) for term in task.terms]


def _outputs_and_features(network: nn.Module, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """The network's outputs, and the head's inputs; ``network`` is a head, or has one."""
    seen = [inputs]
    with watching(network, seen.append):
        outputs: Tensor = network(inputs)
    return outputs, seen[-1]


def build_optimizer(parameters: Mapping[str, Tensor], task: LocalTraining) -> Optimizer:
    """The plan's optimizer for these parameters (by name), with fresh state."""
    groups: dict[float, list[Tensor]] = {}
    for name, parameter in parameters.items():
        groups.setdefault(task.rates.get(name, 1.0), []).append(parameter)
    return optimizer_of([{"params": some, "lr": task.lr * rate} for rate, some in groups.items()], task.train, task.lr)


def count_steps(cases: int, train: TrainSection) -> int:
    """How many steps `LocalTraining.steps` has if an epoch shows ``cases`` cases (`LocalTraining.shown`)."""
    count = -(-cases // train.batch_size)
    joined = count > 1 and cases - (count - 1) * train.batch_size == 1
    return train.epochs * (count - joined)


def batches(cases: int, size: int) -> Iterator[slice]:
    """Batches of ``size`` cases; a single last case is added to the batch before it (batch norm needs two)."""
    start = 0
    while start < cases:
        end = start + size if start + size < cases - 1 else cases
        yield slice(start, end)
        start = end
