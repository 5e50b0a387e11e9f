"""The focal loss, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.losses.focal import FocalLoss


def test_the_loss_by_hand() -> None:
    # p of the label: 1/2 and 3/4
    logits = torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])
    loss = FocalLoss(torch.tensor([2.0, 0.5]), gamma=2.0)(logits, torch.tensor([0, 1]))
    assert float(loss) == pytest.approx((2 * 0.5**2 * math.log(2) + 0.5 * 0.25**2 * math.log(4 / 3)) / 2, rel=1e-5)


def test_with_a_tiny_gamma_it_is_cross_entropy() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    torch.testing.assert_close(FocalLoss(None, gamma=1e-6)(logits, labels), functional.cross_entropy(logits, labels))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_gradient_is_finite_where_a_case_is_surely_right(gamma: float) -> None:
    logits = torch.tensor([[80.0, -80.0]], requires_grad=True)
    FocalLoss(None, gamma=gamma)(logits, torch.tensor([0])).backward()
    assert logits.grad is not None
    assert bool(torch.isfinite(logits.grad).all())


@pytest.mark.parametrize("gamma", [0.0, -1.0, math.nan])
def test_a_gamma_without_effect_is_refused(gamma: float) -> None:
    with pytest.raises(PlanError, match=r"loss\.gamma=.* must be above 0; at 0 it is cross-entropy"):
        FocalLoss(None, gamma=gamma)
