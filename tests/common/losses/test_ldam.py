"""Margins of rare classes, by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.losses.ldam import LDAM


def test_margins_by_hand() -> None:
    # n^(-1/4): 1, 1/2, 1/3; none for a class without a case
    assert LDAM(None, torch.tensor([1.0, 16.0, 81.0, 0.0]), 0.6).margins.tolist() == pytest.approx([0.6, 0.3, 0.2, 0.0])


def test_the_loss_by_hand() -> None:
    # margins 0.5 and 0.25; label 1 has the logit 2 * (1 - 0.25) beside 0
    loss = LDAM(torch.tensor([1.0, 3.0]), torch.tensor([1.0, 16.0]), 0.5, 2.0)
    assert float(loss(torch.tensor([[0.0, 1.0]]), torch.tensor([1]))) == pytest.approx(
        3 * math.log(1 + math.exp(-1.5)), rel=1e-6
    )


def test_the_margin_of_the_rare_class_moves_the_border() -> None:
    """Between the classes' cases it is nearer to the common one: equal losses where logits differ by the margins."""
    loss = LDAM(None, torch.tensor([1.0, 10000.0]), 0.5, 1.0)  # margins 0.5 and 0.05
    rare = loss(torch.tensor([[0.45, 0.0]]), torch.tensor([0]))
    common = loss(torch.tensor([[0.0, 0.0]]), torch.tensor([1]))
    torch.testing.assert_close(rare, common)


def test_with_a_tiny_margin_it_is_cross_entropy() -> None:
    logits, labels = torch.randn(6, 3), torch.tensor([0, 1, 2, 2, 1, 0])
    loss = LDAM(None, torch.tensor([1.0, 2.0, 3.0]), 1e-7, 1.0)(logits, labels)
    torch.testing.assert_close(loss, functional.cross_entropy(logits, labels))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_margin": 0.0}, r"loss\.max_margin=0.0 must be above 0; without margins use loss=cross_entropy"),
        ({"scale": -1.0}, r"loss\.scale=-1.0 must be above 0"),
    ],
)
def test_options_without_effect_are_refused(options: dict[str, float], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        LDAM(None, torch.tensor([1.0, 2.0]), **options)
