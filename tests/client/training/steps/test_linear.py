"""A linear head's gradient made from its slopes: what a backward pass through the head gives, bit for bit."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.client.features.examples import Examples
from fedgraft.client.fence.patients import Patients
from fedgraft.client.fence.units import UnitWatch
from fedgraft.client.training.loop import LocalTraining, train_locally
from fedgraft.client.training.steps.linear import LinearHead, is_linear
from fedgraft.common.heads.heads import Linear
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.plan.sections import TrainSection

CPU = torch.device("cpu")
TRAIN = TrainSection("sgd", 0.1, 0.9, 0.01, batch_size=8, epochs=3, schedule="constant")
CASES, WIDTH = 43, 70


class Through(nn.Module):
    """A head in another network, through which autograd goes."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        found: Tensor = self.head(features)
        return found


def examples(outputs: int) -> Examples:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(CASES, WIDTH, generator=generator)
    return Examples(inputs, torch.randint(0, outputs, (CASES,), generator=generator))


def a_head(kind: str, outputs: int) -> nn.Linear:
    torch.manual_seed(1)
    head = nn.Linear(WIDTH, outputs, bias=kind != "no bias")
    if kind in ("normalised", "as it is"):
        ours = Linear(WIDTH, outputs, normalise=kind == "normalised")
        ours.load_state_dict(head.state_dict())
        return ours
    return head


def task(outputs: int, train: TrainSection = TRAIN, watch: UnitWatch | None = None) -> LocalTraining:
    loss = CrossEntropy(torch.linspace(0.5, 2, outputs))
    return LocalTraining(examples(outputs), loss, train, train.lr, torch.Generator().manual_seed(2), watch=watch)


def watching() -> UnitWatch:
    some = examples(2)
    return UnitWatch(Patients([f"p{n % 20}" for n in range(CASES)]), lambda: some.inputs.norm(dim=1), lambda step: 1.0)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("outputs", [2, 5])
@pytest.mark.parametrize("kind", ["torch's", "no bias", "as it is", "normalised"])
def test_weights_and_loss_are_those_of_a_pass_through_the_head(kind: str, outputs: int, optimizer: str) -> None:
    train = replace(TRAIN, optimizer=optimizer, momentum=0.9 if optimizer == "sgd" else 0.0)
    ours, plain = a_head(kind, outputs), Through(a_head(kind, outputs))
    assert is_linear(ours, dict(ours.named_parameters())) and not is_linear(plain, dict(plain.named_parameters()))
    losses = [train_locally(ours, task(outputs, train), CPU), train_locally(plain, task(outputs, train), CPU)]
    assert losses[0] == losses[1]
    for one, other in zip(ours.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other) and one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_a_watch_sees_what_autograd_keeps_and_shortens_as_it_does() -> None:
    """Against the same steps made here, with the derivatives that autograd keeps of the outputs."""
    for factor in (1.0, 0.25):
        watch, head = watching(), a_head("torch's", 2)
        factors = torch.ones(20).index_fill(0, torch.tensor([3]), factor)
        if factor < 1:
            watch.shorten(factors)
        train_locally(head, task(2, watch=watch), CPU)
        plain, by_case, sums = a_head("torch's", 2), torch.zeros(CASES, 2).double(), torch.zeros(21, 2).double()
        optimizer = torch.optim.SGD(plain.parameters(), TRAIN.lr, TRAIN.momentum, weight_decay=TRAIN.weight_decay)
        for step in task(2).steps():
            optimizer.zero_grad()
            outputs = plain(step.inputs)
            groups = step.cases % 20
            outputs.register_hook(lambda slope, groups=groups, factors=factors: slope * factors[groups][:, None])
            outputs.retain_grad()
            task(2).loss(outputs, step.labels).backward()
            optimizer.step()
            assert outputs.grad is not None
            by_case.index_add_(0, step.cases, outputs.grad.double())
            gave = outputs.grad * step.inputs.norm(dim=1)[:, None]
            sums.index_add_(0, groups, gave.double())
        torch.testing.assert_close(watch.by_case, by_case, rtol=1e-5, atol=1e-7)
        torch.testing.assert_close(watch.found[""], sums, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(head.weight, plain.weight, rtol=1e-5, atol=1e-6)


def test_only_a_head_of_which_all_is_trained_and_that_does_nothing_else() -> None:
    class Tempered(nn.Linear):
        def forward(self, features: Tensor) -> Tensor:
            return functional.linear(features, self.weight, self.bias) / 2

    head = a_head("torch's", 2)
    assert not is_linear(head, {"weight": head.weight})
    tempered = Tempered(WIDTH, 2)
    tempered.load_state_dict(head.state_dict())
    assert not is_linear(tempered, dict(tempered.named_parameters()))
    train_locally(tempered, task(2), CPU)
    train_locally(head, task(2), CPU)
    assert not torch.allclose(tempered.weight, head.weight)


def test_what_each_case_gave_is_the_same_however_often_it_was_summed_up() -> None:
    watch, often = watching(), watching()
    generator = torch.Generator().manual_seed(4)
    for number in range(6):
        cases, slopes = torch.randperm(CASES, generator=generator)[:8], torch.randn(8, 2, generator=generator)
        watch.slopes(cases, slopes)
        often.slopes(cases, slopes)
        if number % 2:
            assert often.by_case.shape == (CASES, 2)
    assert torch.equal(watch.by_case, often.by_case)


class Doubled(CrossEntropy):
    """Another loss, that has its parent's slopes."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return 2 * super().forward(logits, labels)


def test_a_loss_that_changes_another_s_value_is_asked_by_autograd() -> None:
    some, inputs = nn.Linear(WIDTH, 2), examples(2).inputs
    labels = examples(2).labels
    for loss in (CrossEntropy(None), Doubled(None)):
        LinearHead(some, loss, None).backward(torch.arange(CASES), inputs, labels)
        expected = torch.autograd.grad(loss(some(inputs), labels), [some.weight])[0]
        torch.testing.assert_close(some.weight.grad, expected)
