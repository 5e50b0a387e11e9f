"""Merged bins: groups by hand, what they tell, and how far the figures move."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fedgraft.common import merged_bins
from fedgraft.common.merged_bins import merged
from fedgraft.common.tasks import metrics
from fedgraft.common.tasks.metrics import Histograms, auroc, count_places, places


def bins(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


def test_groups_by_hand() -> None:
    """Groups 0 4 | 10 14 20: means 2 and 14 2/3, plus half a bin; the border lies at 8 5/6."""
    (found,) = merged([bins(20, 0, 4, 10, 14)], 100, 2)
    low, high = 2.5 - (8.8333 - 2.5), 15.1667 + (15.1667 - 8.8333)
    first = [max(low, 0) + share * (8.8333 - max(low, 0)) for share in (0.25, 0.75)]
    second = [8.8333 + share * (high - 8.8333) for share in (1 / 6, 3 / 6, 5 / 6)]
    assert found.tolist() == [int(value) for value in (*first, *second)]


def test_a_bin_with_enough_cases_stays() -> None:
    assert merged([bins(7, 7, 7), bins(7, 7)], 16, 5)[0].tolist() == [7, 7, 7]


def test_nothing_remains_nothing() -> None:
    assert [side.tolist() for side in merged([bins(), bins()], 16, 5)] == [[], []]


def test_fewer_cases_than_a_group_are_one_group() -> None:
    """All that is left of three cases is their mean, 5, at which each side lies."""
    found = merged([bins(1, 9), bins(5)], 16, 5)
    assert [side.tolist() for side in found] == [[5, 5], [5]]


def test_within_a_group_nothing_tells_the_sides_apart() -> None:
    """By symmetry the area within a group is one half."""
    negatives, positives = merged([bins(1, 2, 3, 4), bins(5, 6, 40, 41, 42, 43)], 64, 6)
    below = (negatives[:, None] < positives[positives < 20]).mean()
    ties = (negatives[:, None] == positives[positives < 20]).mean()
    assert below + ties / 2 == 0.5


def test_a_case_is_told_only_by_the_mean_of_its_group() -> None:
    """Cases that move within their group without moving its mean change nothing."""
    one = merged([bins(10, 20, 30, 200, 210, 220)], 256, 3)
    other = merged([bins(12, 20, 28, 209, 210, 211)], 256, 3)
    assert one[0].tolist() == other[0].tolist()


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_area_of_a_thousand_cases_to_five_thousandths(share: float) -> None:
    chance = np.random.default_rng(0)
    for _ in range(20):
        labels = chance.random(1000) < share
        scores = 2 * chance.normal(size=1000) + 3 * labels
        found = count_places(places(scores[:, None], labels[:, None]), 1).merged(5)
        area = auroc(found.curve(0))
        assert area == pytest.approx(roc_auc_score(labels, scores), abs=0.005)


def test_each_score_keeps_its_cases() -> None:
    chance = np.random.default_rng(1)
    labels, scores = chance.random((300, 3)) < 0.3, chance.normal(size=(300, 3))
    fine = count_places(places(scores, labels), 3)
    assert (fine.merged(7).sides == fine.sides).all()


@pytest.fixture
def arrays_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Called, it has even few cases computed by arrays, as many are."""

    def arrays() -> None:
        for module in (merged_bins, metrics):
            monkeypatch.setattr(module, "FEW", 0)

    yield arrays


def test_few_cases_in_plain_numbers_are_merged_as_by_arrays(arrays_only: Callable[[], None]) -> None:
    chance = np.random.default_rng(2)
    asked = []
    for _ in range(600):
        size, least = int(chance.choice([1, 2, 5, 96, 16384])), int(chance.integers(1, 12))
        values = chance.integers(0, min(size, int(chance.choice([1, 3, size]))), int(chance.integers(1, 65)))
        cut = int(chance.integers(0, len(values) + 1))
        asked.append(([values[:cut], values[cut:]], size, least))
    plain = [merged(*one) for one in asked]
    arrays_only()
    for one, found in zip(asked, plain, strict=True):
        for side, expected in zip(found, merged(*one), strict=True):
            assert side.dtype == expected.dtype and side.tolist() == expected.tolist()


def test_histograms_of_few_cases_are_merged_as_those_of_many(arrays_only: Callable[[], None]) -> None:
    chance = np.random.default_rng(3)
    asked = []
    for scores in (1, 2, 3):
        for cases in (0, 1, 4, 11, 21):
            drawn = chance.normal(size=(cases, scores)) * chance.choice([0.001, 1.0, 1e5])
            fine = count_places(places(drawn, chance.random((cases, scores)) < 0.3), scores)
            asked += [(fine, least) for least in (1, 5, 9)]
    plain = [fine.merged(least) for fine, least in asked]
    arrays_only()
    for (fine, least), found in zip(asked, plain, strict=True):
        assert same(found, fine.merged(least))
        assert (found.sides == fine.sides).all()


def same(one: Histograms, other: Histograms) -> bool:
    return (
        one.scores == other.scores
        and one.bins.dtype == other.bins.dtype
        and one.counts.dtype == other.counts.dtype
        and one.bins.tolist() == other.bins.tolist()
        and one.counts.tolist() == other.counts.tolist()
    )
