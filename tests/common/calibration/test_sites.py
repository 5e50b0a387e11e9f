"""A site's own map: drawn to the pooled one as far as sites are alike."""

from __future__ import annotations

import numpy as np
import pytest

from fedgraft.common.calibration.figures import together
from fedgraft.common.calibration.fit import fit
from fedgraft.common.calibration.logistic import sigmoid, weighed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.calibration.sites import (
    INTERCEPTS,
    SLOPES,
    Site,
    concentration,
    estimated_differences,
    site_maps,
)
from fedgraft.common.interfaces.scores import ScoreCounts

IDENTITY = Map(prevalence=0.5)


def site(cases: int, shift: float, seed: int, slope: float = 1.0) -> ScoreCounts:
    """Scores s of cases that are positive with log odds ``slope * s + shift``."""
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.normal(0, 1.5, cases))
    positive = rng.random(cases) < sigmoid(slope * scores + shift)
    return ScoreCounts(scores, (~positive).astype(np.int64), positive.astype(np.int64))


def test_sites_that_are_alike_share_the_pooled_map() -> None:
    sites = {str(seed): site(100, 0.0, seed) for seed in range(8)}
    found = estimated_differences([Site(weighed(each), 0.0) for each in sites.values()])
    assert (found.share, found.intercept <= INTERCEPTS[2]) == (0.0, True)
    for one in site_maps(IDENTITY, sites).values():
        assert one.slope == pytest.approx(1.0, abs=0.1)
        assert one.intercept == pytest.approx(0.0, abs=0.3)


def test_sites_whose_prevalences_differ_get_their_intercepts_and_keep_the_slope() -> None:
    shifts = [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 0.5]
    sites = {str(place): site(300, shift, place) for place, shift in enumerate(shifts)}
    differences = estimated_differences([Site(weighed(each), 0.0) for each in sites.values()])
    assert (differences.slope, differences.intercept) == (SLOPES[0], 2.0)
    found = site_maps(IDENTITY, sites)
    assert [one.slope for one in found.values()] == pytest.approx([1.0] * 8, abs=0.1)
    assert [one.intercept for one in found.values()] == pytest.approx(shifts, abs=0.5)


def shifted(cases: int, prevalence: float, seed: int) -> ScoreCounts:
    """Scores that are log odds at a prevalence of 0.5: healthy cases around -4.5, ill ones around 4.5, deviation 3.
    Few cases lie where it is uncertain which they are."""
    rng = np.random.default_rng(seed)
    positive = np.arange(cases) < round(cases * prevalence)
    scores = rng.normal(np.where(positive, 4.5, -4.5), 3.0)
    order = np.argsort(scores)
    return ScoreCounts(scores[order], (~positive[order]).astype(np.int64), positive[order].astype(np.int64))


PREVALENCES = (0.05, 0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)


def test_where_only_prevalences_differ_a_site_s_own_is_taken_though_few_of_its_cases_are_uncertain() -> None:
    sites = {str(place): shifted(60, share, place) for place, share in enumerate(PREVALENCES)}
    found = [one.intercept for one in site_maps(IDENTITY, sites).values()]
    right = [np.log(share / (1 - share)) for share in PREVALENCES]
    assert np.abs(np.array(found) - right).mean() < 0.5
    assert np.corrcoef(found, right)[0, 1] > 0.95


def test_prevalences_that_differ_by_chance_are_the_same_one() -> None:
    rng = np.random.default_rng(0)
    alike = [(int(positives), 100) for positives in rng.binomial(100, 0.3, 12)]
    assert concentration(alike, 0.3) >= 100
    assert concentration([(5, 100), (60, 100), (95, 100), (20, 100)], 0.4) <= 3


def test_where_scores_tell_already_why_prevalences_differ_nothing_moves() -> None:
    """Sites with other mixes of patients: scores are higher where more are ill, and right as they are."""
    sites = {}
    for place, middle in enumerate((-3.0, -2.0, -1.0, 0.0, 1.0, 2.0)):
        rng = np.random.default_rng(place)
        scores = np.sort(rng.normal(middle, 1.5, 300))
        positive = rng.random(300) < sigmoid(scores)
        sites[str(place)] = ScoreCounts(scores, (~positive).astype(np.int64), positive.astype(np.int64))
    assert [one.intercept for one in site_maps(IDENTITY, sites).values()] == pytest.approx([0.0] * 6, abs=0.3)


def test_sites_whose_slopes_differ_get_theirs() -> None:
    sites = {str(place): site(1500, 0.0, place, slope) for place, slope in enumerate((0.4, 0.6, 1.0, 1.6, 2.2))}
    found = site_maps(IDENTITY, sites)
    assert [one.slope for one in found.values()] == pytest.approx([0.4, 0.6, 1.0, 1.6, 2.2], rel=0.2)


def test_few_cases_are_drawn_nearer_to_the_pooled_map() -> None:
    others = {str(seed): site(200, shift, seed) for seed, shift in enumerate((-0.6, 0.0, 0.6, 0.3, -0.3))}
    few = ScoreCounts(np.array([-1.0, 1.0]), np.array([1, 1]), np.array([9, 9]))
    many = ScoreCounts(few.scores, few.negatives * 50, few.positives * 50)
    found = site_maps(IDENTITY, {**others, "few": few, "many": many})
    assert 0 < found["few"].intercept < found["many"].intercept < np.log(9) + 0.1


def test_a_site_whose_classes_are_separated_gets_a_finite_map() -> None:
    apart = ScoreCounts(np.array([-1.0, 1.0]), np.array([20, 0]), np.array([0, 20]))
    (found,) = site_maps(IDENTITY, {"apart": apart}).values()
    assert 1.0 < found.slope < 5.0
    assert found.prevalence == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_it_stands_behind_the_pooled_map_and_expects_the_site_s_own_prevalence(method: str) -> None:
    sites = {str(seed): site(200, shift, seed, 0.5) for seed, shift in enumerate((-2.0, 0.0, 2.0))}
    (pooled,) = fit(method, [together(list(sites.values()))])
    for name, one in site_maps(pooled, sites).items():
        assert one.knots == pooled.knots
        assert one.prevalence == pytest.approx(sites[name].positives.mean(), abs=0.03)
