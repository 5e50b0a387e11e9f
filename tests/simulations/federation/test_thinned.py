"""Thinned hospitals: prevalence by hand, and every message."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.federation.partition import iid, thinned

OPTIONS: dict[str, Any] = {"sites": 4, "rare_sites": 3, "prevalence": 0.02, "rare_class": "ill"}


def source(well: int = 400, ill: int = 1200, split: str | None = None) -> Source:
    labels = ["well"] * well + ["ill"] * ill
    return Source(tuple(Case(f"/{n}.png", label, f"p{n}", split=split) for n, label in enumerate(labels)))


@pytest.mark.parametrize("seed", range(4))
def test_prevalence_by_hand(seed: int) -> None:
    parts = thinned(source(), seed=seed, **OPTIONS)
    counts = [Counter(case.label for case in part) for part in parts.values()]
    for count in counts[:3]:
        assert count["ill"] / count.total() <= 0.02 < (count["ill"] + 1) / (count.total() + 1)
    assert parts["site-04"] == iid(source(), sites=4, seed=seed)["site-04"]


def test_what_stays_is_what_iid_deals_in_its_order() -> None:
    dealt = iid(source(), sites=4, seed=3)
    for name, part in thinned(source(), seed=3, **OPTIONS).items():
        kept = set(part)
        assert part == tuple(case for case in dealt[name] if case in kept)
        assert all(case in kept for case in dealt[name] if case.label == "well")


def test_another_seed_keeps_other_cases() -> None:
    kept = {
        tuple(case for case in thinned(source(), seed=s, **OPTIONS)["site-01"] if case.label == "ill") for s in range(6)
    }
    assert len(kept) == 6


def test_each_given_split_is_thinned_by_itself() -> None:
    train, test = source(200, 400, "train").cases, source(200, 100, "test").cases
    other = tuple(Case(f"/t{case.path}", case.label, f"t{case.patient}", split="test") for case in test)
    parts = thinned(Source((*train, *other)), seed=0, sites=1, rare_sites=1, prevalence=0.1, rare_class="ill")
    found = Counter((case.split, case.label) for case in parts["site-01"])
    assert found == {("train", "well"): 200, ("train", "ill"): 22, ("test", "well"): 200, ("test", "ill"): 22}


def test_a_patient_is_kept_whole_or_dropped_whole() -> None:
    cases = [Case(f"/w{n}.png", "well", f"w{n}") for n in range(100)]
    cases += [Case(f"/i{n}.png", "ill", f"i{n // 4}") for n in range(100)]
    (part,) = thinned(Source(tuple(cases)), seed=0, sites=1, rare_sites=1, prevalence=0.1).values()
    sizes = Counter(case.patient for case in part if case.label == "ill")
    assert set(sizes.values()) == {4}
    assert len(sizes) == 2  # 8 of 108; 12 of 112 would be more than a tenth


def test_without_a_name_it_is_the_rarest_class() -> None:
    parts = thinned(source(400, 100), seed=0, **{**OPTIONS, "rare_class": None, "rare_sites": 4})
    assert parts.keys() == iid(source(400, 100), sites=4, seed=0).keys()
    count = Counter(case.label for part in parts.values() for case in part)
    assert count["well"] == 400
    assert 4 <= count["ill"] <= 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"prevalence": 0.0}, r"partition\.prevalence=0.0 must lie between 0 and 1"),
        ({"prevalence": 1.0}, r"partition\.prevalence=1.0 must lie between 0 and 1"),
        ({"rare_sites": 0}, r"partition\.rare_sites=0 must be at least 1 and at most partition\.sites=4"),
        ({"rare_sites": 5}, r"partition\.rare_sites=5 must be at least 1 and at most partition\.sites=4"),
        ({"rare_class": "odd"}, r"partition\.rare_class=odd is the label of no case; the data set has: ill, well"),
        ({"prevalence": 0.9}, r"partition=thinned drops no case: ill is at most 90.00% .*use partition=iid"),
    ],
)
def test_every_message(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PlanError, match=words):
        thinned(source(), seed=0, **{**OPTIONS, **changes})


def test_one_class_can_t_be_thinned() -> None:
    with pytest.raises(PlanError, match=r"partition=thinned needs cases of two classes or more"):
        thinned(source(10, 0), seed=0, **{**OPTIONS, "rare_class": None})
