"""A study's arithmetic: by hand, and intervals against scipy's own paired test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_rel

from fedgraft.simulations.study.figures import (
    Difference,
    by_site,
    common_sites,
    difference,
    half_width,
    minus_at,
    minus_over_sites,
    over_sites,
    plain,
    spread,
    worst_site,
)

VALUES = {
    "federated": [{"a": 0.8, "b": 0.6, "c": None}, {"a": 0.9, "b": 0.7, "c": 0.5}],
    "local": [{"a": 0.7, "b": 0.7, "c": 0.9}, {"a": 0.7, "b": 0.7, "c": 0.6}],
}


def test_spread_divides_by_one_less_and_leaves_out_what_is_undefined() -> None:
    found = spread([0.6, None, 0.8])
    assert found.mean == pytest.approx(0.7)
    assert found.sd == pytest.approx(0.2 / 2**0.5)
    assert found.values == (0.6, None, 0.8)
    assert spread([0.5]).sd is None
    assert spread([None]).mean is None


def test_the_interval_of_two_by_hand() -> None:
    """t(0.975, 1) = 12.7062; the deviation of 0.1 and 0.3 over the root of two is 0.1."""
    found = difference([0.1, 0.3])
    assert found.mean == pytest.approx(0.2)
    assert (found.low, found.high) == (pytest.approx(0.2 - 1.27062, abs=1e-5), pytest.approx(0.2 + 1.27062, abs=1e-5))


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_the_interval_is_that_of_the_paired_t_test(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    one, other = rng.normal(0.8, 0.05, seeds), rng.normal(0.75, 0.05, seeds)
    found = difference((one - other).tolist())
    expected = ttest_rel(one, other).confidence_interval(0.95)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_the_interval_holds_the_test_cases_too_by_hand() -> None:
    """Seeds: variance 0.02, of the mean 0.01. All cases the same: 0.04 more; freedom (0.05 / 0.01)^2 = 25."""
    found = difference([0.1, 0.3], [0.03, 0.05])
    assert found.cases_deviation == pytest.approx(0.2)
    assert found.high is not None and found.high - 0.2 == pytest.approx(2.059539 * 0.05**0.5, rel=1e-5)
    assert difference([0.1, None, 0.3], [0.03, None, 0.05]) == difference([0.1, None, 0.3], [0.03, 9.0, 0.05])
    assert difference([0.1, 0.3], [0.03, None]) == difference([0.1, 0.3])


def test_seeds_that_agree_by_chance_do_not_make_a_narrow_interval() -> None:
    """A quarter of the cases in common: 0.25 * 0.0016 + 0.75 * 0.0016 / 3 = 0.0008."""
    found = difference([0.058, 0.058, 0.0581], [0.0016] * 3, 0.25)
    assert found.high is not None and found.mean is not None
    assert found.high - found.mean == pytest.approx(1.959964 * 0.0008**0.5, rel=1e-4)


def test_the_interval_holds_the_truth_where_seeds_share_cases() -> None:
    """Three seeds, each testing on 50 of the same 100 cases (half in common), true difference 0."""
    rng, held = np.random.default_rng(0), 0
    for _ in range(500):
        population, training = rng.normal(0, 1, 100), rng.normal(0, 0.05, 3)
        some = [rng.choice(population, 50, replace=False) for _ in range(3)]
        values = [float(one.mean() + shift) for one, shift in zip(some, training, strict=True)]
        found = difference(values, [float(one.var(ddof=1)) / 50 for one in some], 0.5)
        assert found.low is not None and found.high is not None
        held += found.low <= 0 <= found.high
    assert 0.93 <= held / 500 <= 0.995


def test_more_seeds_leave_what_the_cases_share() -> None:
    values = [0.0, 0.1, 0.2]
    assert half_width(values, None, 1.0, 400) < half_width(values, None, 1.0, 4)
    assert half_width(values, 0.1, 1.0, 4000) == pytest.approx(1.96 * 0.1, rel=0.01)


@pytest.mark.parametrize(
    ("values", "variances"), [([0.0, 0.0], [0.0, 0.0]), ([0.1, 0.1, 0.1], []), ([0, 0], [1e-20] * 2)]
)
def test_what_is_the_same_in_all_resamples_has_no_interval(values: list[float], variances: list[float]) -> None:
    """An interval of width 0 would be a certainty."""
    found = difference(values, variances, 0.2)
    assert found.same and (found.low, found.high, found.p) == (None, None, None)
    assert found.mean == pytest.approx(values[0]) and plain(found)["same"] is True
    assert not difference([0.0, 0.0], [1e-6, 0.0]).same and not difference([0.0, 1e-6]).same


def test_the_p_value_is_that_of_a_paired_t_test_where_only_seeds_count() -> None:
    values = [0.02, 0.05, 0.01, 0.04]
    expected = ttest_1samp(values, 0.0)
    assert difference(values).p == pytest.approx(expected.pvalue)
    assert difference([-value for value in values]).p == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval(0.95)
    assert (difference(values).low, difference(values).high) == (
        pytest.approx(interval.low),
        pytest.approx(interval.high),
    )


def test_one_seed_has_a_difference_and_no_interval() -> None:
    assert difference([0.1]) == Difference(0.1, None, None, (0.1,))
    assert difference([None, None]).mean is None


def test_the_mean_over_sites_is_over_those_that_every_method_has() -> None:
    """With seed 0 site c has no figure under `federated`, and counts under neither."""
    assert over_sites(VALUES, "federated").values == (pytest.approx(0.7), pytest.approx(0.7))
    assert over_sites(VALUES, "local").values == (pytest.approx(0.7), pytest.approx(2.0 / 3))


def test_differences_are_paired_by_seed_and_site() -> None:
    assert minus_at(VALUES, "federated", "local", "c") == [None, pytest.approx(-0.1)]
    assert minus_at(VALUES, "federated", "local", "a") == [pytest.approx(0.1), pytest.approx(0.2)]
    assert minus_over_sites(VALUES, "federated", "local") == [pytest.approx(0.0), pytest.approx(0.1 / 3)]


def test_the_worst_site_has_the_lowest_mean_over_seeds() -> None:
    found = worst_site(VALUES, "federated")
    assert found is not None and found[0] == "c" and found[1].mean == 0.5
    assert worst_site({"federated": [{"a": None}]}, "federated") is None
    assert by_site(VALUES, "federated", "b").mean == pytest.approx(0.65)


def test_means_differences_and_the_worst_site_go_by_the_same_sites() -> None:
    """Alone, c is the worst by the one seed that counts (0.6), and not by both (0.75)."""
    assert common_sites(VALUES) == [["a", "b"], ["a", "b", "c"]]
    found = worst_site(VALUES, "local")
    assert found is not None and (found[0], found[1].values) == ("c", (None, 0.6))
    means = [over_sites(VALUES, method).values for method in ("federated", "local")]
    expected = [pytest.approx(one - other) for one, other in zip(*means, strict=True)]
    assert minus_over_sites(VALUES, "federated", "local") == expected


def test_a_method_that_failed_as_a_whole_is_left_aside() -> None:
    values = {**VALUES, "pooled": [{"a": None}, {}]}
    assert common_sites(values) == common_sites(VALUES)
    assert over_sites(values, "federated") == over_sites(VALUES, "federated")
    assert over_sites(values, "pooled").mean is None
    assert minus_over_sites(values, "federated", "pooled") == [None, None]
    assert worst_site(values, "pooled") is None
    once = {**VALUES, "pooled": [{"a": 0.5}, {}]}
    assert common_sites(once) == [["a"], []] and over_sites(once, "local").values == (0.7, None)


def test_plain_is_what_json_holds() -> None:
    assert plain(spread([0.12345678, None])) == {"mean": 0.123457, "sd": None, "values": [0.123457, None]}
