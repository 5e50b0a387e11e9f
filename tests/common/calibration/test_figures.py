"""Figures of probabilities, beside scikit-learn's of the same cases, and what they are by chance."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, roc_auc_score

from fedgraft.common.calibration.bins import (
    Forecasts,
    brier_parts,
    calibration_error,
    equal_mass,
    equal_width,
    error_by_chance,
    forecasts,
    reliability,
)
from fedgraft.common.calibration.figures import Figures, figures, mapped, together
from fedgraft.common.calibration.logistic import sigmoid
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.intervals import wilson

SIX = Forecasts(np.array([0.1, 0.12, 0.5, 0.9]), np.array([4, 1, 3, 2]), np.array([1, 0, 1, 2]))


def cases(number: int, slope: float = 1.0, shift: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Log odds, and whether a case is positive: with log odds ``slope * given + shift``."""
    rng = np.random.default_rng(seed)
    odds = np.sort(rng.normal(0, 1.5, number))
    return odds, rng.random(number) < sigmoid(slope * odds + shift)


def counted(odds: np.ndarray, positive: np.ndarray) -> ScoreCounts:
    return ScoreCounts(odds, (~positive).astype(np.int64), positive.astype(np.int64))


def known(counts: ScoreCounts) -> Figures:
    found = figures(counts, seed=0)
    assert found is not None
    return found


def test_the_calibration_error_by_hand() -> None:
    """Bins of a fifteenth: 0.1 and 0.12 share one (five cases, 0.52 expected, 1 seen), 0.5 and 0.9 have their own."""
    assert calibration_error(SIX, equal_width(SIX.p)) == pytest.approx((0.48 + 0.5 + 0.2) / 10)


def test_the_points_by_hand() -> None:
    low, middle, high = reliability(SIX)
    assert (low.predicted, low.observed, low.cases) == pytest.approx((0.104, 0.2, 5))
    assert (middle.low, middle.high) == wilson(1, 3)
    assert (high.predicted, high.observed) == (0.9, 1.0)


def test_equal_mass_puts_as_many_cases_into_each_bin() -> None:
    assert np.bincount(equal_mass(np.ones(150, np.int64))).tolist() == [10] * 15
    assert equal_mass(np.array([1, 28, 1])).tolist() == [0, 7, 14]


def test_the_parts_of_the_brier_score_by_hand() -> None:
    """Two forecasts: 0.2 for ten cases of which 1 is positive, and 0.7 for ten of which 8 are."""
    parts = brier_parts(Forecasts(np.array([0.2, 0.7]), np.array([10, 10]), np.array([1, 8])))
    assert parts == pytest.approx(
        {
            "brier": (0.64 + 9 * 0.04 + 8 * 0.09 + 2 * 0.49) / 20,
            "reliability": (0.1**2 + 0.1**2) / 2,
            "resolution": (0.35**2 + 0.35**2) / 2,
            "uncertainty": 0.45 * 0.55,
            "within": 0.0,
        }
    )


def test_they_are_scikit_learn_s() -> None:
    odds, positive = cases(400, slope=0.6, shift=0.5)
    found, p = known(counted(odds, positive)), sigmoid(odds)
    share, mean = calibration_curve(positive, p, n_bins=15)
    assert [point.observed for point in found.reliability] == pytest.approx(share)
    assert [point.predicted for point in found.reliability] == pytest.approx(mean)
    assert found.brier["brier"] == pytest.approx(brier_score_loss(positive, p))
    assert found.auroc == pytest.approx(roc_auc_score(positive, p))
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], positive)
    assert found.slope == pytest.approx(float(model.coef_[0, 0]), abs=1e-4)
    weights = np.array([point.cases for point in found.reliability])
    assert found.ece == pytest.approx(float(np.average(np.abs(share - mean), weights=weights)))
    parts = found.brier
    whole = parts["reliability"] - parts["resolution"] + parts["uncertainty"] + parts["within"]
    assert whole == pytest.approx(parts["brier"])


def test_the_slope_s_interval_is_wald_s() -> None:
    odds, positive = cases(200, slope=0.7)
    found = known(counted(odds, positive))
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(odds[:, None], positive)
    p = model.predict_proba(odds[:, None])[:, 1]
    design = np.stack([odds, np.ones_like(odds)], axis=1)
    variance = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))[0, 0]
    assert found.slope_interval is not None
    assert found.slope_interval[1] - found.slope_interval[0] == pytest.approx(2 * 1.959964 * variance**0.5, rel=1e-4)


def test_the_intercept_is_that_at_a_slope_of_1() -> None:
    """All cases at log odds 0, three of four positive: log(3), with a variance of 1 / (n p (1 - p))."""
    found = known(ScoreCounts(np.array([0.0]), np.array([10]), np.array([30])))
    assert found.intercept == pytest.approx(np.log(3))
    assert found.intercept_interval is not None
    assert found.intercept_interval[1] == pytest.approx(np.log(3) + 1.959964 * (40 * 0.75 * 0.25) ** -0.5)
    assert (found.slope, found.slope_interval, found.auroc) == (None, None, 0.5)
    assert (found.prevalence, found.predicted, found.ece) == pytest.approx((0.75, 0.5, 0.25))


def test_the_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = [0, 0]
    for seed in range(60):
        found = known(counted(*cases(120, seed=seed)))
        assert found.slope_interval is not None and found.intercept_interval is not None
        held[0] += found.slope_interval[0] <= 1 <= found.slope_interval[1]
        held[1] += found.intercept_interval[0] <= 0 <= found.intercept_interval[1]
    assert min(held) >= 52  # 57 expected; fewer than 52 of 60 at 95 % has a probability below 0.01


def test_a_perfectly_calibrated_model_stays_below_the_bound_as_often_as_it_says() -> None:
    below = 0
    for seed in range(60):
        odds, positive = cases(150, seed=seed)
        found = forecasts(counted(odds, positive))
        below += calibration_error(found, equal_width(found.p)) <= error_by_chance(found, seed=1000 + seed)
    assert below >= 52


def test_the_bound_falls_as_cases_grow_and_is_the_same_from_the_same_seed() -> None:
    bounds = [error_by_chance(forecasts(counted(*cases(number))), seed=3) for number in (100, 600, 5000)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[0] == pytest.approx(0.15, abs=0.04)
    assert bounds[1] == pytest.approx(0.065, abs=0.015)
    assert error_by_chance(forecasts(counted(*cases(100))), seed=3) == bounds[0]


@pytest.mark.parametrize(("negatives", "positives"), [([5, 5], [0, 0]), ([0, 0], [5, 5])])
def test_cases_of_one_side_leave_slope_and_intercept_undefined(negatives: list[int], positives: list[int]) -> None:
    found = known(ScoreCounts(np.array([-1.0, 1.0]), np.array(negatives), np.array(positives)))
    assert (found.slope, found.intercept, found.auroc) == (None, None, None)
    assert found.ece > 0


def test_separated_classes_leave_the_slope_undefined_and_the_rest_is_there() -> None:
    found = known(ScoreCounts(np.array([-1.0, 1.0]), np.array([5, 0]), np.array([0, 5])))
    assert (found.slope, found.slope_interval) == (None, None)
    assert found.intercept == pytest.approx(0.0, abs=1e-9)


def test_no_case_has_no_figures() -> None:
    none = together([])
    assert (none.cases, none.one_sided, figures(none, 0)) == (0, True, None)


def test_parts_together_are_their_cases() -> None:
    odds, positive = cases(100)
    parts = [counted(odds[:40], positive[:40]), counted(odds[20:], positive[20:])]
    whole = together(parts)
    assert (whole.cases, len(whole.scores)) == (120, 100)
    assert whole.positives.sum() == sum(part.positives.sum() for part in parts)
    assert (np.diff(whole.scores) > 0).all()


def test_a_map_moves_scores_and_leaves_auroc() -> None:
    counts = counted(*cases(100))
    moved = mapped(counts, Map(0.3, -2.0))
    assert moved.scores == pytest.approx(0.3 * counts.scores - 2)
    assert known(moved).auroc == known(counts).auroc


def test_plain_figures_are_short() -> None:
    plain = known(counted(*cases(30))).to_dict()
    assert plain["ece"] == round(plain["ece"], 6)
    assert set(plain["reliability"][0]) == {"predicted", "observed", "low", "high", "cases"}
    assert len(plain["slope_interval"]) == 2
