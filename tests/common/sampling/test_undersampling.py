"""Undersampling: how many cases of each class an epoch shows, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.sampling.undersampling import Undersampling

LABELS = torch.tensor([0] * 10 + [1] * 4 + [3] * 2)  # class 2 has no case


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, [2, 2, 0, 2]), (2.5, [5, 4, 0, 2]), (100.0, [10, 4, 0, 2])])
def test_at_most_so_many_for_one_of_the_rarest(ratio: float, expected: list[int]) -> None:
    order = Undersampling(ratio).order(LABELS, torch.Generator().manual_seed(0))
    assert len(set(order.tolist())) == len(order)
    assert torch.bincount(LABELS[order]).tolist() == expected


def test_every_case_is_seen_in_time() -> None:
    generator = torch.Generator().manual_seed(0)
    assert {case for _ in range(60) for case in Undersampling().order(LABELS, generator).tolist()} == set(range(16))


@pytest.mark.parametrize("ratio", [0.5, math.nan, math.inf])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(PlanError, match=r"sampling\.ratio=.* must be 1 or more"):
        Undersampling(ratio)
