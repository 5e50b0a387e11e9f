"""Class weights and the weighted loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.client.imbalance import CrossEntropy, inverse_frequency
from fedgraft.common.errors import PlanError


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((5, 5), [1.0, 1.0]),
        ((30, 10), [40 / 60, 40 / 20]),
        ((6, 3, 1), [10 / 18, 10 / 9, 10 / 3]),
        ((8, 0), [1.0, 0.0]),
        ((4, 0, 12), [16 / 8, 0.0, 16 / 24]),
    ],
)
def test_weights_by_hand(counts: tuple[int, ...], expected: list[float]) -> None:
    weights = inverse_frequency(counts)
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(7, 13), (1, 999), (3, 0, 40, 2)])
def test_every_class_that_has_a_case_weighs_the_same(counts: tuple[int, ...]) -> None:
    totals = [float(w) * n for w, n in zip(inverse_frequency(counts), counts, strict=True) if n]
    assert totals == pytest.approx([totals[0]] * len(totals))
    assert sum(totals) == pytest.approx(sum(counts))


@pytest.mark.parametrize("counts", [(), (0, 0), (0, 0, 0)])
def test_no_case_at_all_is_an_error(counts: tuple[int, ...]) -> None:
    with pytest.raises(PlanError, match=r"loss\.weights: no class has a training case"):
        inverse_frequency(counts)


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
