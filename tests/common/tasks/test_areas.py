"""The variance of an AUROC: by hand, against DeLong's formula written out, and against simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.areas import (
    Area,
    area,
    area_by_groups,
    area_of,
    area_within,
    cases_to_see,
    influence,
    mean_area,
    smallest_difference,
    too_few,
    within,
)
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.survival import Survival

Floats = NDArray[np.float64]


def counts(scores: Floats, truth: Floats) -> ScoreCounts:
    levels = np.unique(scores)
    sides = [np.array([((scores == level) & (truth == side)).sum() for level in levels]) for side in (0, 1)]
    return ScoreCounts(levels, *sides)


def delong(scores: Floats, truth: Floats) -> tuple[float, float]:
    """The formula as it stands in the paper, pair by pair."""
    high, low = scores[truth == 1], scores[truth == 0]
    kernel = (high[:, None] > low[None]) + 0.5 * (high[:, None] == low[None])
    return kernel.mean(), kernel.mean(1).var(ddof=1) / len(high) + kernel.mean(0).var(ddof=1) / len(low)


def drawn(seed: int, cases: int = 60) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(seed)
    truth = (rng.random(cases) < 0.4).astype(np.float64)
    return np.round(rng.normal(truth, 1.0), 1), truth


@pytest.mark.parametrize("seed", range(3))
def test_the_variance_is_delongs(seed: int) -> None:
    scores, truth = drawn(seed)
    found = area(counts(scores, truth))
    value, variance = delong(scores, truth)
    assert found is not None and found.value == pytest.approx(value) == pytest.approx(roc_auc_score(truth, scores))
    assert found.variance == pytest.approx(variance)
    moved = influence(scores[:, None], truth[:, None])
    assert float(moved @ moved) == pytest.approx(variance) and moved.sum() == pytest.approx(0)


def test_two_models_on_the_same_cases_differ_by_their_paired_variance() -> None:
    """Against the variance of the difference over bootstrap samples of the cases."""
    one, truth = drawn(4, 300)
    other = one + np.random.default_rng(5).normal(0, 0.4, len(one))
    moved = influence(one[:, None], truth[:, None]) - influence(other[:, None], truth[:, None])
    rng, differences = np.random.default_rng(6), []
    for _ in range(400):
        some = rng.integers(0, len(truth), len(truth))
        differences.append(roc_auc_score(truth[some], one[some]) - roc_auc_score(truth[some], other[some]))
    assert math.sqrt(float(moved @ moved)) == pytest.approx(np.std(differences), rel=0.12)
    apart = sum(delong(each, truth)[1] for each in (one, other))
    assert float(moved @ moved) < apart / 3


def test_an_unknown_label_and_a_side_of_one_case_move_nothing() -> None:
    scores, truth = np.arange(4.0)[:, None], np.array([[0.0], [1.0], [1.0], [np.nan]])
    assert not influence(scores, truth).any()
    scores, truth = np.arange(5.0)[:, None], np.array([[0.0], [1.0], [0.0], [1.0], [np.nan]])
    moved = influence(scores, truth)
    assert moved[4] == 0 and moved[1] == pytest.approx((0.5 - 0.75) / math.sqrt(2))


def test_the_interval_is_symmetric_in_the_logit_and_holds_at_the_edge() -> None:
    low, high = Area(0.8, 0.0025, 50, 50).interval
    odds = [math.log(value / (1 - value)) for value in (low, 0.8, high)]
    assert odds[2] - odds[1] == pytest.approx(odds[1] - odds[0]) == pytest.approx(1.959964 * 0.05 / 0.16, rel=1e-5)
    low, high = Area(1.0, 0.0, 10, 10).interval
    assert 0.7 < low < 0.9 and high == 1.0
    low, high = Area(0.0, 0.0, 10, 10).interval
    assert low == 0.0 and 0.1 < high < 0.3
    low, high = Area(0.5, math.nan, 1, 40).interval
    assert 0 < low < 0.2 and 0.8 < high < 1


def test_the_interval_holds_the_truth_in_95_of_100_samples() -> None:
    """Two normal distributions one deviation apart: AUROC 0.7602."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(300):
        truth = np.repeat([0.0, 1.0], [40, 25])
        found = area(counts(np.round(rng.normal(truth, 1.0), 2), truth))
        assert found is not None
        low, high = found.interval
        held += low <= 0.7602 <= high
    assert 0.92 <= held / 300 <= 0.98


def test_within_counts_pairs_of_one_stratum_only() -> None:
    """The mixed site ranks 1 of its 2 pairs right, and the site of positives has none, however high they are."""
    low, high = counts(np.array([0.0, 1.0, 2.0]), np.array([0, 1, 0])), counts(np.array([5.0, 6.0]), np.array([1, 1]))
    found = within([low, high])
    assert found is not None and (found.value, found.positives, found.negatives) == (0.5, 1, 2)
    assert within([high]) is None
    one, other = drawn(1), drawn(2, 90)
    strata = [counts(*one), counts(*other)]
    areas = [area(each) for each in strata]
    weights = np.array([each.pairs for each in areas if each])
    both = within(strata)
    assert both is not None
    assert both.value == pytest.approx(np.average([each.value for each in areas if each], weights=weights))
    squares = (weights / weights.sum()) ** 2
    assert both.variance == pytest.approx(float(squares @ np.array([each.variance for each in areas if each])))


def test_a_mean_over_classes_may_err_as_much_as_its_parts() -> None:
    found = mean_area([Area(0.8, 0.01, 9, 20), Area(0.6, 0.04, 5, 24)])
    assert found is not None
    assert (found.value, found.positives) == (pytest.approx(0.7), 5) and found.variance == pytest.approx(0.0225)
    assert mean_area([]) is None


def test_an_evaluation_has_the_figure_of_its_task() -> None:
    task, rng = Classification(("a", "b", "c")), np.random.default_rng(3)
    labels = rng.integers(0, 3, 90)
    outputs = rng.normal(0, 1, (90, 3)) + np.eye(3)[labels]
    (whole,) = task.evaluate_parts(outputs, labels, [90])
    found = area_of(whole)
    assert found is not None and found.value == pytest.approx(whole.figures()["auroc"])
    assert not too_few(whole) and area_of(task.empty()) is None and too_few(task.empty())
    one, other = task.evaluate_parts(outputs, labels, [45, 45])
    inside = area_within([one, other])
    assert inside is not None and abs(inside.value - found.value) < 0.1
    two = Classification(("a", "b"))
    (few,) = two.evaluate_parts(outputs[:, :2], np.array([1] * 4 + [0] * 86), [90])
    (enough,) = two.evaluate_parts(outputs[:, :2], np.array([1] * 5 + [0] * 85), [90])
    assert too_few(few) and not too_few(enough)


def test_without_scores_the_events_count() -> None:
    task = Survival()
    labels = np.array([[1.0 + n, n < 4] for n in range(20)])
    (four,) = task.evaluate_parts(np.zeros((20, 1)), labels, [20])
    assert too_few(four) and area_of(four) is None
    labels[4, 1] = 1
    assert not too_few(task.evaluate_parts(np.zeros((20, 1)), labels, [20])[0])


def test_a_group_alone_is_a_score() -> None:
    """One site has 3 of 4 positive, the other 1 of 4: of 16 pairs 9 + (3 + 3) / 2 are right."""
    assert area_by_groups({"a": (1, 3), "b": (3, 1), "none": (0, 0)}) == pytest.approx(12 / 16)
    assert area_by_groups({"a": (0, 3), "b": (4, 0)}) == 1.0
    assert area_by_groups({"a": (0, 3)}) is None


def test_what_can_be_seen_at_all() -> None:
    """(1.96 + 0.8416) sqrt(2) 0.05 = 0.1981; for a quarter of that, 16 times the cases."""
    found = smallest_difference(Area(0.8, 0.0025, 50, 50))
    assert found == pytest.approx(0.19810, abs=1e-4)
    assert cases_to_see(found / 4, 0.0025, 100) in (1600, 1601)
