"""A study's arithmetic: by hand, and intervals against scipy's own paired test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_rel

from fedgraft.simulations.study.figures import (
    Difference,
    by_site,
    common_sites,
    difference,
    difference_at,
    difference_over_sites,
    over_sites,
    plain,
    spread,
    verdict,
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


def test_one_seed_has_a_difference_and_no_interval() -> None:
    assert difference([0.1]) == Difference(0.1, None, None, (0.1,))
    assert difference([None, None]).mean is None


def test_the_mean_over_sites_is_over_those_that_every_method_has() -> None:
    """With seed 0 site c has no figure under `federated`, and counts under neither."""
    assert over_sites(VALUES, "federated").values == (pytest.approx(0.7), pytest.approx(0.7))
    assert over_sites(VALUES, "local").values == (pytest.approx(0.7), pytest.approx(2.0 / 3))


def test_differences_are_paired_by_seed_and_site() -> None:
    assert difference_at(VALUES, "federated", "local", "c").values == (None, pytest.approx(-0.1))
    assert difference_at(VALUES, "federated", "local", "a").mean == pytest.approx(0.15)
    found = difference_over_sites(VALUES, "federated", "local")
    assert found.values == (pytest.approx(0.0), pytest.approx(0.1 / 3))


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
    expected = tuple(pytest.approx(one - other) for one, other in zip(*means, strict=True))
    assert difference_over_sites(VALUES, "federated", "local").values == expected


def test_a_method_that_failed_as_a_whole_is_left_aside() -> None:
    values = {**VALUES, "pooled": [{"a": None}, {}]}
    assert common_sites(values) == common_sites(VALUES)
    assert over_sites(values, "federated") == over_sites(VALUES, "federated")
    assert over_sites(values, "pooled").mean is difference_over_sites(values, "federated", "pooled").mean is None
    assert worst_site(values, "pooled") is None
    once = {**VALUES, "pooled": [{"a": 0.5}, {}]}
    assert common_sites(once) == [["a"], []] and over_sites(once, "local").values == (0.7, None)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.01, 0.05, ("Federation helped here", "lies above 0")),
        (-0.01, 0.05, ("Federation did not help here", "the interval contains 0")),
        (-0.05, -0.01, ("Federation did not help here", "lies below 0, each site alone is better")),
        (None, None, ("can't be said from one seed", "give seeds=[0,1,2]")),
    ],
)
def test_the_verdict_says_which(low: float | None, high: float | None, words: tuple[str, ...]) -> None:
    said = verdict(Difference(0.02, low, high, ()), "AUROC")
    assert all(word in said for word in (*words, "+0.020 AUROC"))
    assert "no site has both" in verdict(Difference(None, None, None, ()), "AUROC")


def test_plain_is_what_json_holds() -> None:
    assert plain(spread([0.12345678, None])) == {"mean": 0.123457, "sd": None, "values": [0.123457, None]}
