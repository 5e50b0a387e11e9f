"""What the manifest says of each case, as the task's tensor; one error for what it does not."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from fedgraft.client.cohort.case import Case
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import DataSection


def data(task: Any, *classes: str) -> DataSection:
    return DataSection(task, classes, None, "sites", 0.1, 0.1)


def case(label: str = "", **columns: str) -> Case:
    return Case("/scans/anna.png", label, "anna", columns=tuple(columns.items()))


CLASSES, FINDINGS, SURVIVAL = (
    data("classification", "clear", "lesion"),
    data("multilabel", "mass", "nodule"),
    data("survival"),
)


def test_classes_are_numbers_in_the_order_of_the_plan() -> None:
    found = tasks.of(CLASSES).targets([case("lesion"), case("clear")])
    assert found.tolist() == [1, 0] and found.dtype == torch.int64


def test_a_class_that_the_plan_does_not_have_is_counted_and_not_shown() -> None:
    with pytest.raises(
        DataError, match=r"1 case\(s\) have a label that is not in data\.classes: clear, lesion"
    ) as told:
        tasks.of(CLASSES).targets([case("anna"), case("clear")])
    assert "anna" not in str(told.value)


def test_findings_are_there_or_not_or_unknown() -> None:
    rows = [("1", "0"), (" True ", "no"), ("YES", ""), ("0.0", "1.0"), ("", "  ")]
    found = tasks.of(FINDINGS).targets([case(nodule=nodule, mass=mass, age="7") for mass, nodule in rows])
    expected = [[1, 0], [1, 0], [1, math.nan], [0, 1], [math.nan, math.nan]]
    torch.testing.assert_close(found, torch.tensor(expected), equal_nan=True)


@pytest.mark.parametrize("cell", ["2", "-1", "maybe", "nan", "0.5"])
def test_what_is_no_finding_is_counted_and_not_shown(cell: str) -> None:
    cases = [case(mass=cell, nodule=cell), case(mass="1", nodule="")]
    with pytest.raises(DataError, match=r"1 case\(s\) have a finding that is not 1, 0 .* or empty for unknown") as told:
        tasks.of(FINDINGS).targets(cases)
    assert cell not in str(told.value).replace("1, 0", "")


def test_a_column_that_is_missing_is_named() -> None:
    with pytest.raises(DataError, match=r"lacks the column\(s\) nodule, which data\.task=multilabel needs"):
        tasks.of(FINDINGS).targets([case(mass="1")])
    with pytest.raises(DataError, match=r"lacks the column\(s\) time, event, which data\.task=survival needs"):
        tasks.of(SURVIVAL).targets([case("lesion")])


def test_time_and_event() -> None:
    found = tasks.of(SURVIVAL).targets([case(time="12.5", event="1"), case(time="3e2", event="no")])
    assert found.tolist() == [[12.5, 1.0], [300.0, 0.0]] and found.dtype == torch.float32
    assert found.is_contiguous()


@pytest.mark.parametrize("time", ["0", "-3", "inf", "nan", "", "1e99", "1e-99", "12 days"])
def test_a_time_that_can_not_be_is_counted_and_not_shown(time: str) -> None:
    cases = [case(time=time, event="1"), case(time="1", event="1"), case(time=time, event="0")]
    with pytest.raises(DataError, match=r"^2 case\(s\) have a `time` that is not a finite number above 0$"):
        tasks.of(SURVIVAL).targets(cases)


@pytest.mark.parametrize("event", ["", "2", "dead"])
def test_an_event_is_never_unknown(event: str) -> None:
    with pytest.raises(DataError, match=r"^1 case\(s\) have a `event` that is not 1 or 0 \(or true/false, yes/no\)$"):
        tasks.of(SURVIVAL).targets([case(time="1", event=event)])


@pytest.mark.parametrize(("plan", "shape"), [(CLASSES, (0,)), (FINDINGS, (0, 2)), (SURVIVAL, (0, 2))])
def test_no_case_gives_no_row(plan: DataSection, shape: tuple[int, ...]) -> None:
    assert tasks.of(plan).targets([]).shape == shape
