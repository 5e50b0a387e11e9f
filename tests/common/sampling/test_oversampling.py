"""Oversampling: how often each case is shown, by hand."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from fedgraft.common.errors import PlanError
from fedgraft.common.sampling.oversampling import Oversampling

LABELS = torch.tensor([0] * 10 + [1] * 4 + [3])  # class 2 has no case


def shown(sampler: Oversampling, seed: int = 0) -> Counter[int]:
    return Counter(sampler.order(LABELS, torch.Generator().manual_seed(seed)).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_all_classes_come_up_to_the_commonest(seed: int) -> None:
    times = shown(Oversampling(), seed)
    assert [times[case] for case in range(10)] == [1] * 10
    assert sorted(times[case] for case in range(10, 14)) == [2, 2, 3, 3]
    assert times[14] == 10


def test_a_share_of_it_never_drops_a_case() -> None:
    times = shown(Oversampling(0.5))
    assert sum(times[case] for case in range(10)) == 10
    assert sorted(times[case] for case in range(10, 14)) == [1, 1, 1, 2]
    assert times[14] == 5


def test_which_cases_are_repeated_once_more_is_drawn_for_each_epoch() -> None:
    generator = torch.Generator().manual_seed(0)
    epochs = {tuple(sorted(Oversampling().order(LABELS, generator).tolist())) for _ in range(20)}
    assert len(epochs) > 1


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(PlanError, match=r"sampling\.share=.* must be above 0 and at most 1: the part of the commonest"):
        Oversampling(share)
