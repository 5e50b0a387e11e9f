"""The loss of findings: by hand, with unknown labels and with weights."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.losses.binary_cross_entropy import BinaryCrossEntropy

NAN = math.nan


def test_with_everything_known_it_is_torch_s_loss() -> None:
    logits, labels = torch.randn(6, 3), torch.randint(2, (6, 3)).float()
    expected = functional.binary_cross_entropy_with_logits(logits, labels)
    torch.testing.assert_close(BinaryCrossEntropy(None)(logits, labels), expected)


def test_the_weighted_loss_by_hand() -> None:
    # known: p = 3/4 present (weight 2), p = 1/2 absent (weight 0.5), p = 1/2 present (weight 4); mean over the three
    logits = torch.tensor([[math.log(3), 9.0], [0.0, 0.0]])
    labels = torch.tensor([[1.0, NAN], [0.0, 1.0]])
    loss = BinaryCrossEntropy(torch.tensor([0.5, 2.0, 3.0, 4.0]))(logits, labels)
    assert float(loss) == pytest.approx((2 * math.log(4 / 3) + 0.5 * math.log(2) + 4 * math.log(2)) / 3)


def test_an_unknown_label_has_no_gradient() -> None:
    logits = torch.zeros(2, 2, requires_grad=True)
    BinaryCrossEntropy(None)(logits, torch.tensor([[1.0, NAN], [NAN, 0.0]])).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[-0.25, 0.0], [0.0, 0.25]]  # (p - y) / 2


@pytest.mark.parametrize("weights", [None, torch.ones(4)])
def test_nothing_known_is_0_with_a_gradient_of_0(weights: torch.Tensor | None) -> None:
    logits = torch.randn(3, 2, requires_grad=True)
    loss = BinaryCrossEntropy(weights)(logits, torch.full((3, 2), NAN))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None and not logits.grad.any()
