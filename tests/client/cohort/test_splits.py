"""Splits: sizes worked out by hand, and what must hold for any cohort."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.client.cohort.splits import split
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.tasks.classification import most_frequent_label
from fedgraft.common.tasks.multilabel import Multilabel
from fedgraft.common.tasks.survival import Survival


def cohort(**counts: int) -> list[Case]:
    """One patient for each case."""
    return [
        Case(path=f"/{label}/{number}.png", label=label, patient=f"{label}-{number}")
        for label, count in counts.items()
        for number in range(count)
    ]


def random_cohort(seed: int) -> list[Case]:
    """Patients with several cases of several classes, some of them in groups."""
    rng = np.random.default_rng(seed)
    cases = []
    for patient in range(int(rng.integers(5, 60))):
        group = f"group-{patient // 2}" if rng.uniform() < 0.3 else None
        for visit in range(int(rng.integers(1, 4))):
            label = "abc"[int(rng.choice(3, p=(0.7, 0.25, 0.05)))]
            group_of_visit = group if rng.uniform() < 0.8 else None
            cases.append(Case(f"/{patient}-{visit}.dcm", label, f"p{patient}", group=group_of_visit))
    return cases


def sizes(cases: list[Case], val: float, test: float, seed: int = 0) -> dict[str, dict[str, int]]:
    parts = split(cases, val_fraction=val, test_fraction=test, seed=seed)
    return {name: dict(Counter(case.label for case in part)) for name, part in parts.items()}


def test_fractions_of_each_class() -> None:
    """20: test 5, val 3. 8: test 2, val 1.2 -> 1. 6: test 1.5 -> 2, val 0.9 -> 1."""
    assert sizes(cohort(a=20, b=8, c=6), 0.15, 0.25) == {
        "train": {"a": 12, "b": 5, "c": 3},
        "val": {"a": 3, "b": 1, "c": 1},
        "test": {"a": 5, "b": 2, "c": 2},
    }


def test_a_class_with_few_units_trains_first_and_tests_second() -> None:
    assert sizes(cohort(a=1, b=2, c=3, d=4), 0.15, 0.25) == {
        "train": {"a": 1, "b": 1, "c": 1, "d": 2},
        "val": {"c": 1, "d": 1},
        "test": {"b": 1, "c": 1, "d": 1},
    }


def test_fraction_0_is_an_empty_part() -> None:
    assert sizes(cohort(a=10, b=2), 0.2, 0) == {
        "train": {"a": 8, "b": 1},
        "val": {"a": 2, "b": 1},
        "test": {},
    }
    assert sizes(cohort(a=10), 0, 0) == {"train": {"a": 10}, "val": {}, "test": {}}


def test_no_cases() -> None:
    assert split([], val_fraction=0.1, test_fraction=0.1, seed=0) == {"train": (), "val": (), "test": ()}


def test_the_manifests_own_split_wins() -> None:
    cases = [Case(f"/{i}.png", "a", f"p{i}", split=SPLITS[i % 3]) for i in range(7)]
    parts = split(cases, val_fraction=0.5, test_fraction=0.0, seed=0)
    assert {name: [case.path for case in part] for name, part in parts.items()} == {
        "train": ["/0.png", "/3.png", "/6.png"],
        "val": ["/1.png", "/4.png"],
        "test": ["/2.png", "/5.png"],
    }


def test_the_manifests_own_split_parts_no_unit() -> None:
    """p0 is in train and val; p2 and p3 share a group and are in train and test."""
    sides = (("p0", None, "train"), ("p0", None, "val"), ("p1", None, "val"), ("p2", "g", "train"), ("p3", "g", "test"))
    cases = [Case(f"/{i}", "a", patient, group=group, split=side) for i, (patient, group, side) in enumerate(sides)]
    with pytest.raises(DataError, match=r"2 patient\(s\) or group\(s\) have cases on two sides of the mani"):
        split(cases, val_fraction=0.5, test_fraction=0.0, seed=0)


@pytest.mark.parametrize("seed", range(30))
def test_what_always_holds(seed: int) -> None:
    cases = random_cohort(seed)
    parts = split(cases, val_fraction=0.15, test_fraction=0.25, seed=seed)
    assert tuple(parts) == SPLITS
    assert sorted(case.path for part in parts.values() for case in part) == sorted(c.path for c in cases)
    for name_of in (lambda case: case.patient, lambda case: case.group or case.path):
        names = [{name_of(case) for case in part} for part in parts.values()]
        assert len(set.union(*names)) == sum(map(len, names))
    assert {case.label for case in parts["train"]} == {case.label for case in cases}
    shuffled = [cases[i] for i in np.random.default_rng(seed).permutation(len(cases))]
    assert split(shuffled, val_fraction=0.15, test_fraction=0.25, seed=seed) == parts


def test_another_seed_is_another_split() -> None:
    tests = {tuple(split(cohort(a=40), val_fraction=0.1, test_fraction=0.2, seed=s)["test"]) for s in range(20)}
    assert len(tests) == 20


def test_each_unit_is_tested_about_as_often() -> None:
    """100 seeds, a fifth of 20 units: each is in test 20 times, give or take 4 standard deviations (16)."""
    counts = Counter(
        case.path
        for seed in range(100)
        for case in split(cohort(a=20), val_fraction=0.1, test_fraction=0.2, seed=seed)["test"]
    )
    assert len(counts) == 20
    assert all(4 <= count <= 36 for count in counts.values())


def test_a_class_hidden_in_units_of_another_still_trains() -> None:
    """``b`` only occurs beside two ``a`` of one patient: that patient must train, whatever the seed."""
    cases = [*cohort(a=6), *(Case(f"/mixed/{label}{i}", label, "mixed") for i, label in enumerate("aab"))]
    for seed in range(20):
        train = split(cases, val_fraction=0.3, test_fraction=0.4, seed=seed)["train"]
        assert {case.label for case in train} == {"a", "b"}


def test_a_group_is_a_coarser_unit_than_a_patient() -> None:
    grouped = [Case(f"/{i}.png", "a", f"p{i}", group=f"g{i // 4}") for i in range(16)]
    for part in split(grouped, val_fraction=0.25, test_fraction=0.25, seed=3).values():
        assert all(count == 4 for count in Counter(case.group for case in part).values())


def test_rows_of_one_file_are_sorted_as_numbers() -> None:
    cases = [Case("/a.npz::x", "a", f"p{row}", row=row) for row in (10, 9, 2, 100)]
    train = split(cases, val_fraction=0, test_fraction=0, seed=0)["train"]
    assert [case.row for case in train] == [2, 9, 10, 100]


def test_the_label_of_a_unit() -> None:
    def unit(labels: str) -> list[Case]:
        return [Case("/x", label, "p") for label in labels]

    assert most_frequent_label(unit("bba")) == "b"
    assert most_frequent_label(unit("ba")) == "a"


@pytest.mark.parametrize(("val", "test"), [(-0.1, 0.2), (0.1, -0.2), (0.5, 0.5), (0.9, 0.3)])
def test_fractions_out_of_range(val: float, test: float) -> None:
    message = f"data.val_fraction={val} and data.test_fraction={test} must be 0 or more, and their sum less than 1"
    with pytest.raises(PlanError, match=message):
        split(cohort(a=10), val_fraction=val, test_fraction=test, seed=0)


def findings(*cells: str) -> list[Case]:
    """A patient for each; ``"10-"``: the first finding is there, the second not, the third unknown."""
    names = ("mass", "fluid", "rare")
    return [
        Case(f"/{i}", "", f"p{i}", columns=tuple(zip(names, one.replace("-", " ").ljust(3), strict=True)))
        for i, one in enumerate(cells)
    ]


def test_multilabel_by_the_rarest_finding() -> None:
    """8 have ``rare`` (and mass), 12 fluid (and mass), 20 mass alone, 40 none: a quarter of each is tested."""
    cases = findings(*["1-1"] * 8, *["11 "] * 12, *["100"] * 20, *["0--"] * 40)
    for seed in range(5):
        parts = split(cases, val_fraction=0, test_fraction=0.25, seed=seed, task=Multilabel(("mass", "fluid", "rare")))
        found = Counter("".join(cell for _, cell in case.columns) for case in parts["test"])
        assert found == {"1 1": 2, "11 ": 3, "100": 5, "0  ": 10}


def test_multilabel_trains_on_every_finding() -> None:
    """``fluid`` only occurs beside the rarer ``rare``; of its stratum of two one trains, with or without fluid."""
    cases = findings("011", "001", *["100"] * 9)
    for seed in range(20):
        train = split(cases, val_fraction=0, test_fraction=0.4, seed=seed, task=Multilabel(("mass", "fluid", "rare")))[
            "train"
        ]
        assert "011" in {"".join(cell for _, cell in case.columns) for case in train}


@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("true", "false"), ("Yes", "no"), ("1.0", "0.0")])
def test_survival_by_event(yes: str, no: str) -> None:
    """Of 8 patients with the event 2 are tested, of 20 without 5; a patient's second row may have it."""
    cases = [
        Case(
            "/t.csv",
            "",
            f"p{i}",
            row=2 * i + second,
            columns=(("time", "3"), ("event", yes if i < 8 and second else no)),
        )
        for i in range(28)
        for second in range(2)
    ]
    parts = split(cases, val_fraction=0, test_fraction=0.25, seed=1, task=Survival())
    tested = {case.patient for case in parts["test"]}
    assert (sum(int(name[1:]) < 8 for name in tested), len(tested)) == (2, 7)
    assert {case.column("event") for case in parts["train"]} == {yes, no}


def test_the_folder_of_the_files_does_not_matter() -> None:
    cases = random_cohort(3)
    moved = [Case(f"/z{hash(case.path)}{case.path}", case.label, case.patient, group=case.group) for case in cases]
    parts = split(cases, val_fraction=0.15, test_fraction=0.25, seed=3)
    others = split(moved, val_fraction=0.15, test_fraction=0.25, seed=3)
    for name in SPLITS:
        assert Counter(case.path for case in parts[name]) == Counter(
            f"/{case.path.rpartition('/')[2]}" for case in others[name]
        )


@pytest.mark.parametrize("fractions", [(0.15, 0.25), (0.1, 0.1), (0.2, 0.0), (0.33, 0.33)])
def test_one_unit_more_moves_at_most_three_others_of_its_class(fractions: tuple[float, float]) -> None:
    """For every size of a class up to 60: the units before it, and all others, but for three at the borders."""
    val, test = fractions

    def sides(cases: list[Case]) -> dict[str, str]:
        parts = split(cases, val_fraction=val, test_fraction=test, seed=5)
        return {case.path: name for name, part in parts.items() for case in part}

    for size in range(3, 60):
        before, after = sides(cohort(a=size, b=9)), sides(cohort(a=size + 1, b=9))
        moved = [path for path, side in before.items() if after[path] != side]
        assert len(moved) <= 3 and all(path.startswith("/a/") for path in moved)
