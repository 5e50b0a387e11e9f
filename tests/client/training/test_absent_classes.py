"""What a site lacks is left out of its loss, or taught by what came; by hand and as gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.client.training.absent_classes import Masked, distilled
from fedgraft.client.training.loop import LossFunction, StepOutput
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.losses.binary_cross_entropy import BinaryCrossEntropy
from fedgraft.common.losses.cross_entropy import CrossEntropy
from fedgraft.common.losses.focal import FocalLoss
from fedgraft.common.losses.ldam import LDAM
from fedgraft.common.losses.logit_adjusted import LogitAdjusted
from fedgraft.common.tasks.absent import class_divergence, finding_divergence
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.multilabel import Multilabel

CLASSES, FINDINGS = Classification(("a", "b", "c")), Multilabel(("a", "b"))
COUNTS = torch.tensor([5.0, 3.0, 9.0])
LOSSES = [
    CrossEntropy(torch.tensor([1.0, 2.0, 0.5])),
    FocalLoss(None),
    LogitAdjusted(COUNTS),
    LDAM(None, COUNTS, 0.5, 1.0),
]


def gradient(loss: LossFunction, logits: Tensor, labels: Tensor) -> Tensor:
    own = logits.clone().requires_grad_()
    loss(own, labels).backward()
    assert own.grad is not None
    return own.grad


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_no_loss_reaches_an_absent_class(loss: LossFunction) -> None:
    masked = Masked(loss, CLASSES, torch.tensor([True, False, True]))
    got = gradient(masked, torch.randn(6, 3), torch.tensor([0, 2, 2, 0, 0, 2]))
    assert got[:, 1].tolist() == [0.0] * 6
    assert bool(torch.isfinite(got).all())
    assert bool(got[:, 0].abs().min() > 0)


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_a_site_of_one_class_pulls_nowhere(loss: LossFunction) -> None:
    masked = Masked(loss, CLASSES, torch.tensor([False, True, False]))
    logits, labels = torch.randn(4, 3), torch.ones(4, dtype=torch.int64)
    assert gradient(masked, logits, labels).abs().max() < 1e-6
    assert gradient(loss, logits, labels).abs().max() > 1e-3  # as without


def test_masking_is_the_loss_over_the_present_classes() -> None:
    logits, labels = torch.randn(5, 3), torch.tensor([0, 2, 2, 0, 2])
    masked = Masked(CrossEntropy(None), CLASSES, torch.tensor([True, False, True]))(logits, labels)
    torch.testing.assert_close(masked, functional.cross_entropy(logits[:, [0, 2]], labels // 2))


def test_an_absent_finding_counts_as_unknown() -> None:
    logits, labels = torch.randn(4, 2), torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0], [math.nan, 0.0]])
    loss = BinaryCrossEntropy(None)
    masked = Masked(loss, FINDINGS, torch.tensor([True, False]))
    torch.testing.assert_close(masked(logits, labels), loss(logits[:, :1], labels[:, :1]))


def test_divergence_of_classes_by_hand() -> None:
    # present together and absent: 3/4 and 1/4 as received, 1/2 and 1/2 now
    teacher = torch.tensor([[1 / 2, 1 / 4, 1 / 4]]).log()
    student = torch.tensor([[1 / 8, 1 / 2, 3 / 8]]).log()
    found = class_divergence(teacher, student, torch.tensor([True, False, True]))
    assert float(found) == pytest.approx(3 / 4 * math.log(3 / 2) + 1 / 4 * math.log(1 / 2), rel=1e-5)


def test_learning_among_the_present_classes_stays_free() -> None:
    teacher, present = torch.tensor([[0.1, 0.2, 0.7]]).log(), torch.tensor([True, True, False])
    student = torch.tensor([[0.25, 0.05, 0.7]]).log()
    assert float(class_divergence(teacher, student, present)) == pytest.approx(0, abs=1e-6)


def test_divergence_of_findings_by_hand() -> None:
    # the second is absent: 1/4 as received, 1/2 now
    teacher, student = torch.tensor([[3.0, math.log(1 / 3)]]), torch.tensor([[-3.0, 0.0]])
    found = finding_divergence(teacher, student, torch.tensor([True, False]))
    assert float(found) == pytest.approx(1 / 4 * math.log(1 / 2) + 3 / 4 * math.log(3 / 2), rel=1e-5)


@pytest.mark.parametrize("task", [CLASSES, FINDINGS], ids=lambda task: task.name)
def test_what_did_not_change_does_not_diverge(task: AnyTask) -> None:
    received, present = torch.randn(6, 3), torch.tensor([True, False, True])
    term = distilled(received, task, present)
    cases = torch.tensor([4, 0, 4])
    own = received[cases].clone().requires_grad_()
    value = term(StepOutput(cases, torch.zeros(3), own, torch.zeros(3, 1)))
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-6)
    assert own.grad is not None
    assert own.grad.abs().max() < 1e-6
