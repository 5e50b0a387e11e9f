"""A slope held near 1 by a prior, beside scipy's maximum of the same posterior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize

from fedgraft.common.calibration.fit import fit
from fedgraft.common.calibration.held import FREEDOM, SCALE, held_line
from fedgraft.common.calibration.logistic import Weighed, positive_line, sigmoid, smoothed
from fedgraft.common.interfaces.scores import ScoreCounts


def drawn(cases: int, slope: float, shift: float = 1.0, seed: int = 0, copies: int = 1) -> ScoreCounts:
    """Scores ``slope * logit(p) + shift`` of cases that are positive with probability p, about one in six; each is
    there ``copies`` times."""
    rng = np.random.default_rng(seed)
    odds = np.sort(rng.normal(-2.5, 1.8, cases))
    positive = rng.random(cases) < sigmoid(odds)
    return ScoreCounts(slope * odds + shift, copies * (~positive).astype(np.int64), copies * positive.astype(np.int64))


def loss(at: np.ndarray, parts: list[Weighed]) -> float:
    """The negative log posterior, written down again: Student's density on log(slope), none on the intercepts."""
    total = (FREEDOM + 1) / 2 * np.log(1 + at[0] ** 2 / (FREEDOM * SCALE**2))
    for part, intercept in zip(parts, at[1:], strict=True):
        odds = np.exp(at[0]) * part.scores + intercept
        total += part.positives @ np.logaddexp(0, -odds) + part.negatives @ np.logaddexp(0, odds)
    return float(total)


def by_scipy(parts: list[Weighed]) -> np.ndarray:
    """The best of several starts, as log(slope) and intercepts."""
    starts = [np.array([log_slope, *[-1.0] * len(parts)]) for log_slope in (-1.0, 0.0, 1.0)]
    found = [minimize(loss, start, (parts,), method="BFGS", options={"gtol": 1e-7}) for start in starts]
    return np.asarray(min(found, key=lambda one: float(one.fun)).x)


@pytest.mark.parametrize(("cases", "slope"), [(60, 1.0), (200, 0.6), (200, 1.7), (500, 3.0)])
def test_it_is_scipy_s_maximum_of_the_posterior(cases: int, slope: float) -> None:
    part = smoothed(drawn(cases, slope))
    found = held_line([part])
    assert (np.log(found.slope), *found.intercepts) == pytest.approx(by_scipy([part]), abs=1e-4)


def test_classes_that_share_a_slope_are_held_together() -> None:
    parts = [smoothed(drawn(80, 1.4, seed=seed, shift=shift)) for seed, shift in ((1, 0.0), (2, 2.0), (3, -1.0))]
    found = held_line(parts)
    assert (np.log(found.slope), *found.intercepts) == pytest.approx(by_scipy(parts), abs=1e-4)


def test_few_cases_are_drawn_to_slope_one_and_many_are_not() -> None:
    """200 scores, then each 5,000 times: a million cases."""
    few, many = (drawn(200, 1.7, copies=copies) for copies in (1, 5000))
    free, held = positive_line([smoothed(few)]), held_line([smoothed(few)])
    assert free.slope < held.slope < 1
    assert many.cases == 1_000_000
    free, held = positive_line([smoothed(many)]), held_line([smoothed(many)])
    assert (held.slope, *held.intercepts) == pytest.approx((free.slope, *free.intercepts), abs=1e-4)


def test_the_pull_is_the_prior_s_derivative_over_the_information_by_hand() -> None:
    """One Newton step from the fit without a prior, x = log(slope): 4 x / (3 * 0.09 + x^2) nats per unit, over the
    cases' information on x with the intercept free. Of 2,000 cases the step is small and all but exact."""
    part = smoothed(drawn(2000, 1.7))
    free = positive_line([part])
    x = np.log(free.slope)
    pull = 4 * x / (0.27 + x**2)
    step = pull * free.covariance[0, 0]
    assert np.log(held_line([part]).slope) == pytest.approx(x - step, abs=0.02 * abs(step))


def test_a_model_that_is_clearly_off_is_not_held_back() -> None:
    """Scores five times too large, or a fifth: 300 cases tell so, and the prior moves their slope by less than half of
    its standard error."""
    for slope in (5.0, 0.2):
        part = smoothed(drawn(300, slope))
        free, held = positive_line([part]), held_line([part])
        assert abs(np.log(held.slope / free.slope)) < free.covariance[0, 0] ** 0.5 / 2


def test_the_mean_probability_is_still_the_share_of_positives() -> None:
    counts = drawn(120, 0.5)
    for method in ("platt", "temperature"):
        (found,) = fit(method, [counts])
        mean = np.average(sigmoid(found(counts.scores)), weights=counts.negatives + counts.positives)
        assert mean == pytest.approx(smoothed(counts).share, abs=1e-6)


def test_cases_that_a_threshold_separates_give_a_slope() -> None:
    counts = ScoreCounts(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([6, 6, 0, 0]), np.array([0, 0, 6, 6]))
    part = smoothed(counts)
    assert 1 < held_line([part]).slope < positive_line([part]).slope
