"""Partitions: what must hold for every one, shares worked out by hand, and every message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError
from fedgraft.common.tasks.survival import Survival
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.federation.partition import Parts, by_site, dirichlet, iid, quantity, site_names

Deal = Callable[[Source, int], Parts]
DEALS: list[Deal] = [
    lambda source, seed: iid(source, sites=4, seed=seed),
    lambda source, seed: quantity(source, sites=4, exponent=1.0, seed=seed),
    lambda source, seed: dirichlet(source, sites=4, alpha=0.5, min_cases=3, seed=seed),
]


def single(**counts: int) -> Source:
    """One patient for each case."""
    return Source(
        tuple(
            Case(f"/{label}/{number}.png", label, f"{label}{number}")
            for label, count in counts.items()
            for number in range(count)
        )
    )


def grouped(seed: int) -> Source:
    """60 groups of one to four cases, two classes, some groups of both."""
    rng = np.random.default_rng(seed)
    return Source(
        tuple(
            Case(f"/{unit}-{number}.png", "ab"[int(rng.uniform() < 0.3)], f"p{unit}-{number}", group=f"g{unit}")
            for unit in range(60)
            for number in range(int(rng.integers(1, 5)))
        )
    )


@pytest.mark.parametrize("deal", DEALS)
@pytest.mark.parametrize("seed", range(8))
def test_every_case_is_at_one_site_and_no_unit_at_two(deal: Deal, seed: int) -> None:
    source = grouped(seed)
    parts = deal(source, seed)
    assert tuple(parts) == ("site-01", "site-02", "site-03", "site-04")
    assert sorted(c.path for part in parts.values() for c in part) == sorted(c.path for c in source.cases)
    units = [{case.unit for case in part} for part in parts.values()]
    assert len(set.union(*units)) == sum(map(len, units))
    assert deal(source, seed) == parts


@pytest.mark.parametrize("deal", DEALS)
def test_another_seed_is_another_partition(deal: Deal) -> None:
    assert len({tuple(deal(single(a=50, b=50), seed)["site-01"]) for seed in range(10)}) == 10


@pytest.mark.parametrize("deal", DEALS)
def test_the_order_of_the_cases_does_not_matter(deal: Deal) -> None:
    source = grouped(0)
    turned = deal(Source(source.cases[::-1]), 5)
    assert {name: set(part) for name, part in turned.items()} == {
        name: set(part) for name, part in deal(source, 5).items()
    }


def test_iid_sizes_and_classes() -> None:
    parts = iid(single(a=300, b=100), sites=4, seed=0)
    assert [len(part) for part in parts.values()] == [100, 100, 100, 100]
    shares = [Counter(case.label for case in part)["b"] for part in parts.values()]
    assert all(10 <= share <= 40 for share in shares)  # 25 expected, standard deviation 3.8


def test_quantity_sizes_by_hand() -> None:
    """1 + 1/2 + 1/3 + 1/6 is not it: shares 1, 1/2, 1/3 of 110 are 60, 30, 20."""
    parts = quantity(single(a=110), sites=3, exponent=1.0, seed=1)
    assert [len(part) for part in parts.values()] == [60, 30, 20]
    assert [len(p) for p in quantity(single(a=110), sites=2, exponent=0.0, seed=1).values()] == [55, 55]


def test_dirichlet_skew_falls_with_alpha() -> None:
    """Mean distance of the sites' share of ``a`` from one half, over ten seeds."""

    def skew(alpha: float) -> float:
        parts = [p for s in range(10) for p in dirichlet(single(a=500, b=500), sites=5, alpha=alpha, seed=s).values()]
        return float(np.mean([abs(np.mean([case.label == "a" for case in part]) - 0.5) for part in parts]))

    assert skew(0.1) > 0.35
    assert skew(0.1) > skew(1.0) > skew(100.0)
    assert skew(100.0) < 0.05


def test_dirichlet_shares_have_the_right_spread() -> None:
    """The share of one site of K has variance (K - 1) / (K^2 (K alpha + 1)): 4/150 for K = 5, alpha = 1."""
    shares = [
        len(part) / 1000
        for seed in range(100)
        for part in dirichlet(single(a=1000), sites=5, alpha=1.0, seed=seed).values()
    ]
    assert np.var(shares) == pytest.approx(4 / 150, rel=0.25)


def test_dirichlet_gives_each_site_min_cases() -> None:
    for seed in range(10):
        parts = dirichlet(single(a=120, b=40), sites=6, alpha=0.3, min_cases=12, seed=seed)
        assert min(map(len, parts.values())) >= 12


def test_by_site_keeps_the_names_of_the_data() -> None:
    cases = single(a=4).cases
    assert by_site(Source(cases, site_of=("north", "east", "north", "east"))) == {
        "east": (cases[1], cases[3]),
        "north": (cases[0], cases[2]),
    }


def test_site_names_sort_as_numbers() -> None:
    assert site_names(3) == ("site-01", "site-02", "site-03")
    assert sorted(site_names(120)) == list(site_names(120))
    assert site_names(120)[0] == "site-001"


def test_by_site_without_sites() -> None:
    message = "use partition=iid, partition=dirichlet or partition=quantity"
    with pytest.raises(PlanError, match=message):
        by_site(single(a=3))


def test_by_site_with_a_patient_at_two() -> None:
    cases = (Case("/1", "a", "p"), Case("/2", "a", "p"))
    with pytest.raises(PlanError, match="a patient or group has cases at north and east; use another partition"):
        by_site(Source(cases, site_of=("north", "east")))


def test_options_out_of_range() -> None:
    source = single(a=10)
    calls: tuple[tuple[Callable[[], Parts], str], ...] = (
        (lambda: iid(source, sites=0, seed=0), r"partition\.sites=0 must be at least 1"),
        (lambda: quantity(source, sites=-1, exponent=1, seed=0), r"partition\.sites=-1 must be at least 1"),
        (lambda: dirichlet(source, sites=0, alpha=1, seed=0), r"partition\.sites=0 must be at least 1"),
        (
            lambda: quantity(source, sites=2, exponent=-1, seed=0),
            r"partition\.exponent=-1 must be 0 \(equal sites\)",
        ),
        (lambda: dirichlet(source, sites=2, alpha=0, seed=0), r"partition\.alpha=0 must be above 0"),
        (
            lambda: dirichlet(source, sites=2, alpha=1, min_cases=0, seed=0),
            r"partition\.min_cases=0 must be at least 1: a site needs cases",
        ),
    )
    for call, message in calls:
        with pytest.raises(PlanError, match=message):
            call()


def test_sites_without_cases_are_named() -> None:
    message = "leaves 2 of 5 sites without cases: site-04, site-05; lower partition.sites"
    with pytest.raises(PlanError, match=message):
        iid(single(a=3), sites=5, seed=0)
    with pytest.raises(PlanError, match="leaves 1 of 3 sites without cases: site-03"):
        quantity(single(a=20), sites=3, exponent=4.0, seed=0)


def test_dirichlet_that_can_not_be_says_what_to_change() -> None:
    message = (
        r"none of 1000 draws gave each of 4 sites 5 of the 16 cases; "
        r"raise partition\.alpha \(0\.5\), or lower partition\.sites or partition\.min_cases"
    )
    with pytest.raises(PlanError, match=message):
        dirichlet(single(a=16), sites=4, alpha=0.5, min_cases=5, seed=0)


def test_dirichlet_deals_what_the_task_says() -> None:
    """Alpha 1e-3 sends each stratum to one site: with times and events, the two are the events and the censored."""
    cases = [Case("/t.csv", "", f"p{i}", row=i, columns=(("time", "1"), ("event", str(i % 2)))) for i in range(200)]
    parts = dirichlet(Source(tuple(cases)), sites=2, alpha=1e-3, seed=3, min_cases=50, task=Survival())
    shares = [sum(case.column("event") == "1" for case in some) / len(some) for some in parts.values()]
    assert sorted(shares) == [0.0, 1.0]
