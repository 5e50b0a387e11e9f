"""Every site's cases in folds: units whole, strata even, each case tested once, and what can't be dealt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.units import unit_names
from fedgraft.client.site.site_file import ReleasePolicy, SiteFile
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.federation.sites import Partitioned, partition_cases
from fedgraft.simulations.study.folds import as_given, deal, require_dealable, with_fold

TASK = Classification(("clear", "lesion"))
Composer = Callable[..., Plan]


def cases(site: str, clear: int, lesion: int, of_each: int = 2) -> tuple[Case, ...]:
    """So many patients of each class, with ``of_each`` cases each."""
    labels = ["clear"] * clear + ["lesion"] * lesion
    return tuple(
        Case(path=f"/{site}/{n}-{k}.png", label=label, patient=f"{site}-{n}")
        for n, label in enumerate(labels)
        for k in range(of_each)
    )


def test_each_fold_has_as_many_of_each_stratum_plus_or_minus_one() -> None:
    """7 and 5 patients in 3 folds: 3, 2, 2 and 2, 2, 1 of the classes, 4 of both."""
    some = cases("a", 7, 5)
    dealt = deal(some, 3, 0, TASK)
    of_class = Counter((case.label, fold) for case, fold in zip(some, dealt, strict=True))
    assert sorted(of_class["clear", fold] for fold in range(3)) == [4, 4, 6]
    assert sorted(of_class["lesion", fold] for fold in range(3)) == [2, 4, 4]
    assert sorted(Counter(dealt).values()) == [8, 8, 8]
    assert all(dealt[at] == dealt[at + 1] for at in range(0, 24, 2))
    assert deal(tuple(reversed(some)), 3, 0, TASK) == dealt[::-1]
    assert deal(some, 3, 1, TASK) != dealt


def test_each_case_is_tested_once_and_the_rest_has_its_share_of_validation(compose_plan: Composer) -> None:
    """4 folds of 12 and 8 patients: 3 and 2 to test; of the 9 and 6 others a third to choose by."""
    plan = compose_plan("data.val_fraction=0.34")
    partitioned = Partitioned({"a": cases("a", 12, 8), "b": cases("b", 4, 4)}, ())
    tested: Counter[str] = Counter()
    for fold in range(4):
        sites = with_fold(plan, partitioned, 4, fold).sites
        assert [replace(case, split=None) for case in sites["a"]] == list(partitioned.sites["a"])
        sides = Counter((case.split, case.label) for case in sites["a"])
        for side, clear, lesion in (("test", 6, 4), ("val", 6, 4), ("train", 12, 8)):
            assert (sides[side, "clear"], sides[side, "lesion"]) == (clear, lesion)
        tested.update(case.path for some in sites.values() for case in some if case.split == "test")
    assert set(tested.values()) == {1} and len(tested) == 56


def test_the_plan_then_says_that_splits_are_given(compose_plan: Composer) -> None:
    data = as_given(compose_plan()).data
    assert (data.test, data.val_fraction, data.test_fraction) == ("given", 0.0, 0.0)
    central = replace(compose_plan(), data=replace(data, test="coordinator"))
    assert as_given(central) == central


def test_what_can_t_be_dealt_is_named(compose_plan: Composer) -> None:
    plan = compose_plan()
    fine, few, small = cases("fine", 9, 9), cases("few", 20, 3), cases("small", 4, 4)
    require_dealable(plan, Partitioned({"fine": fine, "small": cases("one", 12, 0)}, ()), 4)
    with pytest.raises(PlanError) as caught:
        require_dealable(plan, Partitioned({"few": few, "fine": fine, "small": small}, ()), 4)
    assert caught.value.problems == (
        "folds=4: few has fewer patients or groups than folds of lesion (3); use fewer folds, or a partition that "
        "gives each site more of them",
        "folds=4: a fold of small has 4 cases, and an evaluation of fewer than its release.min_count=5 never leaves a "
        "site; use fewer folds",
    )
    file = SiteFile(
        name="small", manifest=Path("m.csv"), state=Path("s"), release=replace(ReleasePolicy(), min_count=1)
    )
    require_dealable(plan, Partitioned({"small": small}, (), {"small": file}), 4)


def test_a_class_that_would_be_in_one_fold_only_is_named(compose_plan: Composer) -> None:
    """The only lesions are single cases of patients that count as clear, and lie in one fold."""
    plan = compose_plan()
    some = cases("a", 12, 0, of_each=3)
    fold_of = dict(zip((case.patient for case in some), deal(some, 2, plan.seed, TASK), strict=True))
    first = [patient for patient, fold in fold_of.items() if fold == 0][:2]
    mixed = tuple(
        replace(case, label="lesion") if case.patient in first and case.path.endswith("-0.png") else case
        for case in some
    )
    with pytest.raises(PlanError, match="with this seed, all cases of lesion at a are in one fold; use another"):
        require_dealable(plan, Partitioned({"a": mixed}, ()), 2)


@pytest.mark.parametrize("words", [("data=breast_us",), ("data=busi", "partition.sites=5")])
def test_real_hospitals_in_five_folds(
    words: tuple[str, ...], compose_plan: Composer, real: Callable[[str], Path], tmp_path: Path
) -> None:
    """No patient and no group is on two sides, in any fold."""
    environ = {"FEDGRAFT_DATA": str(real("breast_us")), "FEDGRAFT_CACHE": str(tmp_path)}
    plan = compose_plan(*words, small=False)
    partitioned = partition_cases(plan, environ)
    require_dealable(plan, partitioned, 5)
    tested: Counter[str] = Counter()
    for fold in range(5):
        for some in with_fold(plan, partitioned, 5, fold).sites.values():
            sides = defaultdict(set)
            for case, unit in zip(some, unit_names(some), strict=True):
                sides[unit].add(case.split)
            assert all(len(one) == 1 for one in sides.values())
            assert {label for case in some if case.split == "train" for label in tasks.of(plan.data).has(case)} == set(
                plan.data.classes
            )
            tested.update(case.path for case in some if case.split == "test")
    assert set(tested.values()) == {1}
    assert (
        len(tested) == sum(map(len, partitioned.sites.values())) == {"data=breast_us": 2785, "data=busi": 780}[words[0]]
    )
