"""The weighted loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.losses.cross_entropy import CrossEntropy


def test_without_weights_it_is_torch_s_cross_entropy() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    torch.testing.assert_close(CrossEntropy(None)(logits, labels), functional.cross_entropy(logits, labels))


def test_the_weighted_loss_by_hand() -> None:
    # p = (1/2, 1/2) and (1/4, 3/4): weights 2 and 0.5 for labels 0 and 1, mean over the two cases
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    loss = CrossEntropy(torch.tensor([2.0, 0.5]))(logits, torch.tensor([0, 1]))
    assert float(loss) == pytest.approx((2 * math.log(2) + 0.5 * math.log(4 / 3)) / 2)


def test_a_site_with_one_class_keeps_its_weight() -> None:
    """The mean of `torch.nn.functional.cross_entropy` would cancel it."""
    logits, labels = torch.randn(5, 2), torch.ones(5, dtype=torch.int64)
    plain = functional.cross_entropy(logits, labels)
    torch.testing.assert_close(CrossEntropy(torch.tensor([3.0, 0.25]))(logits, labels), 0.25 * plain)


def test_the_gradient_is_weighted_too() -> None:
    logits = torch.zeros(1, 2, requires_grad=True)
    CrossEntropy(torch.tensor([1.0, 4.0]))(logits, torch.tensor([1])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[2.0, -2.0]]  # 4 * (p - y)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cases", [1, 7, 33])
def test_its_own_slopes_are_those_of_autograd_bit_for_bit(classes: int, weighted: bool, cases: int) -> None:
    generator = torch.Generator().manual_seed(cases)
    logits = 5 * torch.randn(cases, classes, generator=generator)
    labels = torch.randint(0, classes, (cases,), generator=generator)
    loss = CrossEntropy(torch.rand(classes, generator=generator) if weighted else None)
    whole = loss(logits.requires_grad_(), labels)
    (expected,) = torch.autograd.grad(whole, logits)
    value, slopes = loss.with_slopes(logits.detach(), labels)
    assert torch.equal(value, whole.detach()) and torch.equal(slopes, expected)
