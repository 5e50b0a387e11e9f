"""Few training cases per class and site: whole units, nested, at least one, and what is left alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.federation.sites import Partitioned
from fedgraft.simulations.study.learning_curve.few_cases import Kept, few, with_few

TASK = Classification(("clear", "lesion"))
Composer = Callable[..., Plan]


def cases(site: str, clear: int, lesion: int, of_each: int = 2, split: str | None = "train") -> tuple[Case, ...]:
    labels = ["clear"] * clear + ["lesion"] * lesion
    return tuple(
        Case(path=f"/{site}/{split}-{n}-{k}.png", label=label, patient=f"{site}-{split}-{n}", split=split)
        for n, label in enumerate(labels)
        for k in range(of_each)
    )


def counts(some: list[Case]) -> dict[str, int]:
    return dict(Counter(case.label for case in some))


def test_whole_patients_up_to_the_number_and_at_least_one() -> None:
    """Patients have two cases each: 5 keeps two patients of a class, 1 keeps one."""
    some = cases("a", 10, 3)
    assert counts(few(some, 5, 0, TASK)) == {"clear": 4, "lesion": 4}
    assert counts(few(some, 1, 0, TASK)) == {"clear": 2, "lesion": 2}
    assert counts(few(some, 6, 0, TASK)) == {"clear": 6, "lesion": 6}
    assert few(some, 99, 0, TASK) == list(some)


def test_the_cases_for_a_number_are_among_those_for_a_larger_one() -> None:
    some = cases("a", 20, 20)
    drawn = [set(few(some, size, 7, TASK)) for size in (1, 4, 9, 10, 25, 40)]
    assert all(one <= other for one, other in pairwise(drawn))
    assert set(few(some, 10, 8, TASK)) != drawn[3]


def test_only_training_cases_of_sites_that_train(compose_plan: Composer) -> None:
    whole = (*cases("a", 8, 2), *cases("a", 2, 2, split="val"), *cases("a", 3, 3, split="test"))
    plan = replace(compose_plan(), hold_out=("b",))
    found, taken = with_few(plan, Partitioned({"a": whole, "b": cases("b", 8, 8)}, ()), 6)
    assert Counter(case.split for case in found.sites["a"]) == {"train": 10, "val": 8, "test": 12}
    assert found.sites["b"] == cases("b", 8, 8)
    assert taken == {"a": {"clear": Kept(6, 16), "lesion": Kept(4, 4)}}


def test_a_class_that_a_site_would_lose_is_named(compose_plan: Composer) -> None:
    """Its only case is one of three of a patient who counts as clear."""
    some = list(cases("a", 6, 0, of_each=3))
    kept = {case.patient for case in few(some, 3, compose_plan().seed, TASK)}
    place = next(at for at, case in enumerate(some) if case.patient not in kept)
    some[place] = replace(some[place], label="lesion")
    partitioned = Partitioned({"a": tuple(some)}, ())
    with pytest.raises(PlanError, match="cases=3 would leave a no training case of lesion, which is only in patients"):
        with_few(compose_plan(), partitioned, 3)
    assert with_few(compose_plan(), partitioned, 99)[1] == {"a": {"clear": Kept(17, 17), "lesion": Kept(1, 1)}}
