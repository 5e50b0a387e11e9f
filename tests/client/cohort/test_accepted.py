"""A cohort is taken in once: each thing is asked of its inputs a single time, and all of it is kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.cohort.accepted import accept, accept_whole
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView
from fedgraft.client.cohort.quarantine import number_of
from fedgraft.common.errors import DataError
from fedgraft.common.plan.plan import Plan

PlanOf = Callable[..., Plan]


@dataclass
class Series:
    """Inputs whose every line is two cases, of which those of ``bad`` patients can't be used."""

    bad: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)
    fingerprint: str = "series"

    def expanded(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        self.asked.append("expanded")
        return tuple(replace(case, row=row) for case in cases for row in (0, 1))

    def verdicts(self, cases: Sequence[Case]) -> NDArray[np.uint8]:
        self.asked.append("verdicts")
        return np.array([number_of("damaged") if case.patient in self.bad else 0 for case in cases], np.uint8)

    def digests(self, cases: Sequence[Case]) -> None:
        self.asked.append("digests")

    def keys(self, wanted: Sequence[CaseView]) -> list[bytes]:
        raise AssertionError("nothing is computed yet")

    def batches(self, wanted: Sequence[CaseView], batch: int) -> Iterator[tuple[slice, Tensor]]:
        raise AssertionError("nothing is computed yet")


def lines(count: int = 8) -> list[Case]:
    return [Case(f"/{number}", ("clear", "lesion")[number % 2], f"p{number}") for number in range(count)]


@pytest.fixture
def plan(compose_plan: PlanOf) -> Plan:
    return compose_plan("data.val_fraction=0", "data.test_fraction=0.25")


def test_each_thing_is_asked_once(plan: Plan) -> None:
    inputs = Series()
    accept(lines(), plan, inputs)
    assert inputs.asked == ["expanded", "verdicts", "digests"]


def test_every_split_holds_its_cases_with_their_labels(plan: Plan) -> None:
    found = accept(lines(), plan, Series(bad=("p3",)))
    assert len(found.cases) == len(found.verdicts) == 16
    assert {name: len(some.cases) for name, some in found.splits.items()} == {"train": 10, "val": 0, "test": 4}
    for some in found.splits.values():
        assert some.labels.tolist() == [int(case.label == "lesion") for case in some.cases]
        assert some.patients == tuple(case.patient for case in some.cases)
        assert "p3" not in some.patients
    assert found.quarantined == {"damaged": 2}


def test_a_case_that_is_mended_moves_no_other(plan: Plan) -> None:
    whole, without = accept(lines(), plan, Series()), accept(lines(), plan, Series(bad=("p3",)))
    for name, some in without.splits.items():
        assert some.cases == tuple(case for case in whole.splits[name].cases if case.patient != "p3")


def test_what_can_not_be_used_is_written_down_before_it_is_an_error(plan: Plan, tmp_path: Path) -> None:
    everyone = tuple(case.patient for case in lines())
    with pytest.raises(
        DataError, match=r"no case to train on \(can't be used: damaged 16\): the file is cut off, or its"
    ):
        accept(lines(), plan, Series(bad=everyone), tmp_path)
    written = [json.loads(line) for line in (tmp_path / "quarantine.jsonl").read_text().splitlines()]
    assert [line["reason"] for line in written] == ["damaged"] * 16


def test_a_label_that_is_no_class_is_said_before_any_case_is_read(plan: Plan) -> None:
    inputs = Series()
    with pytest.raises(DataError, match=r"2 case\(s\) have a label that is not in data\.classes"):
        accept([*lines(), Case("/x", "tumour", "p")], plan, inputs)
    assert inputs.asked == ["expanded"]


def test_cases_without_splits_must_all_be_usable(plan: Plan) -> None:
    found = accept_whole(lines(3), plan, Series())
    assert (len(found.cases), found.labels.tolist()) == (6, [0, 0, 1, 1, 0, 0])
    with pytest.raises(DataError, match=r"^2 case\(s\) can't be used: damaged 2$"):
        accept_whole(lines(3), plan, Series(bad=("p1",)))
