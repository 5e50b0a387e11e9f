"""Balanced softmax and logit adjustment, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.losses.logit_adjusted import LogitAdjusted


def test_balanced_softmax_by_hand() -> None:
    # equal logits: p = the prior, 3/4 and 1/4
    loss = LogitAdjusted(torch.tensor([30.0, 10.0]))(torch.zeros(2, 2), torch.tensor([0, 1]))
    assert float(loss) == pytest.approx(-(math.log(3 / 4) + math.log(1 / 4)) / 2)


def test_it_is_the_balanced_softmax_of_ren_et_al() -> None:
    """``-log(n_y exp(z_y) / sum_j n_j exp(z_j))``, equation 4."""
    counts, logits, labels = torch.tensor([5.0, 50.0, 1.0]), torch.randn(8, 3), torch.arange(8) % 3
    raised = counts * logits.exp()
    expected = -(raised.gather(1, labels[:, None])[:, 0] / raised.sum(dim=1)).log().mean()
    torch.testing.assert_close(LogitAdjusted(counts)(logits, labels), expected)


def test_tau_scales_the_prior() -> None:
    counts, logits, labels = torch.tensor([1.0, 9.0]), torch.randn(4, 2), torch.tensor([0, 1, 1, 0])
    adjusted = logits + 0.5 * torch.tensor([0.1, 0.9]).log()
    torch.testing.assert_close(
        LogitAdjusted(counts, tau=0.5)(logits, labels), functional.cross_entropy(adjusted, labels)
    )


def test_a_class_without_a_case_is_left_alone() -> None:
    logits = torch.randn(4, 3, requires_grad=True)
    LogitAdjusted(torch.tensor([2.0, 0.0, 2.0]))(logits, torch.tensor([0, 2, 2, 0])).backward()
    assert logits.grad is not None
    assert logits.grad[:, 1].tolist() == [0.0] * 4
    assert bool(logits.grad[:, 0].abs().min() > 0)


def test_a_tau_without_effect_is_refused() -> None:
    with pytest.raises(PlanError, match=r"loss\.tau=0.0 must be above 0; at 0 it is cross-entropy"):
        LogitAdjusted(torch.tensor([1.0, 2.0]), tau=0.0)
