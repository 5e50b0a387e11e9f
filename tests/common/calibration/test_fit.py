"""Maps fitted to binned scores, beside scikit-learn's fits to the same cases."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from fedgraft.common.calibration.fit import METHODS, fit
from fedgraft.common.calibration.isotonic import knots, pool_adjacent_violators
from fedgraft.common.calibration.logistic import Prior, line, positive_line, separates, sigmoid, smoothed, weighed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.metrics import auroc


def counted(scores: list[float], negatives: list[int], positives: list[int]) -> ScoreCounts:
    return ScoreCounts(np.array(scores), np.array(negatives), np.array(positives))


def drawn(cases: int, slope: float = 2.0, shift: float = 1.0, seed: int = 0) -> ScoreCounts:
    """Scores that are ``slope * logit(p) + shift``, of cases that are positive with probability p."""
    rng = np.random.default_rng(seed)
    odds = np.sort(rng.normal(-0.5, 1.5, cases))
    positive = rng.random(cases) < sigmoid(odds)
    return ScoreCounts(slope * odds + shift, (~positive).astype(np.int64), positive.astype(np.int64))


FOUR = counted([-2.0, -0.5, 0.5, 2.0], [9, 6, 4, 2], [1, 3, 5, 8])


def by_scikit_learn(counts: ScoreCounts, negatives: np.ndarray, positives: np.ndarray) -> tuple[float, float]:
    scores = np.concatenate([counts.scores, counts.scores])[:, None]
    truth = np.repeat([0, 1], len(counts.scores))
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    model.fit(scores, truth, sample_weight=np.concatenate([negatives, positives]))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def test_a_line_is_scikit_learn_s() -> None:
    found = line(weighed(FOUR))
    assert (found.slope, *found.intercepts) == pytest.approx(
        by_scikit_learn(FOUR, FOUR.negatives, FOUR.positives), abs=1e-5
    )


def test_platt_without_its_prior_is_the_line_of_smoothed_targets() -> None:
    part = smoothed(FOUR)
    assert part.positives.sum() == pytest.approx(17 * 18 / 19 + 21 / 23)
    assert part.positives.sum() + part.negatives.sum() == pytest.approx(38)
    found, (held,) = positive_line([part]), fit("platt", [FOUR])
    assert (found.slope, *found.intercepts) == pytest.approx(
        by_scikit_learn(FOUR, part.negatives, part.positives), abs=1e-5
    )
    assert found.slope < held.slope < 1


def test_a_known_distortion_is_undone() -> None:
    (found,) = fit("platt", [drawn(20000)])
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.5, abs=0.04)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_scores_of_any_scale_give_the_same_probabilities(scale: float) -> None:
    """But for the prior, which moves none by more than 0.02."""
    whole = drawn(300)
    scaled = ScoreCounts(whole.scores * scale, whole.negatives, whole.positives)
    one, other = positive_line([smoothed(whole)]), positive_line([smoothed(scaled)])
    free = one.slope * whole.scores + one.intercepts[0]
    assert other.slope * scaled.scores + other.intercepts[0] == pytest.approx(free, abs=1e-4)
    (held,) = fit("platt", [scaled])
    assert sigmoid(held(scaled.scores)) == pytest.approx(sigmoid(free), abs=0.02)


@pytest.mark.parametrize("method", METHODS)
def test_classes_that_a_threshold_separates_get_finite_probabilities(method: str) -> None:
    apart = counted([-3.0, -2.0, 2.0, 3.0], [10, 10, 0, 0], [0, 0, 10, 10])
    (found,) = fit(method, [apart])
    p = sigmoid(found(np.array([-1e6, -3.0, 3.0, 1e6])))
    assert (np.diff(found(apart.scores)) > 0).all()
    assert 0.01 < p[1] < 0.1 and 0.9 < p[2] < 0.99
    assert np.isfinite(found(np.array([-1e6, 1e6]))).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_mean_probability_is_the_prevalence_and_no_order_changes(method: str) -> None:
    counts = drawn(400)
    (found,) = fit(method, [counts])
    assert found.prevalence == pytest.approx(counts.positives.mean(), abs=1 / 400)
    moved = found(counts.scores)
    assert (np.diff(moved) > 0).all()
    curve = list(zip(counts.negatives.tolist(), counts.positives.tolist(), strict=True))
    again = np.argsort(moved, kind="stable")
    assert auroc([curve[place] for place in again]) == auroc(curve)


def test_scores_that_point_the_wrong_way_keep_their_order_and_tell_nothing() -> None:
    (found,) = fit("platt", [counted([-1.0, 1.0], [1000, 3000], [3000, 1000])])
    assert 0 < found.slope < 1e-3
    assert sigmoid(found(np.array([-1.0, 1.0]))) == pytest.approx(0.5, abs=1e-3)


def test_scores_that_are_all_alike_give_the_prevalence() -> None:
    for method in METHODS:
        (found,) = fit(method, [counted([0.3], [30], [10])])
        assert sigmoid(found(np.array([0.3]))) == pytest.approx(0.25, abs=0.02)


def test_temperature_shares_one_slope_and_platt_does_not() -> None:
    classes = [drawn(500, slope=1.0, seed=1), drawn(500, slope=3.0, shift=-2, seed=2)]
    tied, free = fit("temperature", classes), fit("platt", classes)
    assert tied[0].slope == tied[1].slope
    assert free[1].slope < tied[0].slope < free[0].slope
    assert [one.prevalence for one in tied] == pytest.approx([each.positives.mean() for each in classes], abs=0.003)


def test_a_class_without_cases_of_both_sides_keeps_its_scores() -> None:
    found = fit("temperature", [counted([0.0], [3], [0]), FOUR])
    assert found[0] == Map()
    assert found[1].prevalence is not None


def test_violators_are_pooled_as_by_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.random(60), rng.integers(1, 9, 60).astype(np.float64)
    theirs = IsotonicRegression().fit_transform(np.arange(60), values, sample_weight=weights)
    assert pool_adjacent_violators(values, weights) == pytest.approx(theirs)
    assert pool_adjacent_violators(np.array([1.0, 3.0, 2.0, 4.0]), np.array([1.0, 1.0, 3.0, 1.0])) == pytest.approx(
        [1.0, 2.25, 2.25, 4.0]
    )


def test_isotonic_goes_through_scikit_learn_s_steps() -> None:
    part = smoothed(drawn(300))
    weights = part.negatives + part.positives
    theirs = IsotonicRegression().fit_transform(part.scores, part.positives / weights, sample_weight=weights)
    levels = sigmoid(np.array([odds for _, odds in knots(part)]))
    assert levels == pytest.approx(np.unique(theirs.round(12)), abs=1e-9)
    assert 0 < levels[0] < levels[-1] < 1


def test_a_prior_holds_a_line_and_its_absence_lets_go() -> None:
    part = weighed(FOUR)
    held, loose = positive_line([part], Prior(1e-4, 1e-4)), positive_line([part], Prior(100.0, 100.0))
    assert (held.slope, *held.intercepts) == pytest.approx((1.0, 0.0), abs=1e-3)
    free = line(part)
    assert (loose.slope, *loose.intercepts) == pytest.approx((free.slope, *free.intercepts), abs=1e-3)


@pytest.mark.parametrize(
    ("negatives", "positives", "apart"),
    [
        ([3, 2, 0], [0, 0, 4], True),
        ([3, 2, 0], [0, 1, 4], True),
        ([3, 0, 2], [0, 1, 4], False),
        ([1, 1, 1], [0, 0, 0], True),
    ],
)
def test_it_is_seen_when_no_slope_is_best(negatives: list[int], positives: list[int], apart: bool) -> None:
    assert separates(weighed(counted([0.0, 1.0, 2.0], negatives, positives))) == apart
