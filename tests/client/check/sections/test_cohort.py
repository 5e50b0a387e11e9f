"""The section about the cohort, on cohorts of a few cases."""

from dataclasses import replace

import pytest

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.sections.cohort import describe_cohort
from fedgraft.client.cohort.case import Case
from fedgraft.common.interfaces.task import Outcome
from fedgraft.common.plan.data_sections import DataSection

from ..conftest import case, case_table_of, seen

OK = [("ok", "cases"), ("ok", "targets"), ("ok", "splits"), ("ok", "subgroups")]


def test_prevalence_by_split_and_subgroup(two_classes: DataSection) -> None:
    rows = [
        ("sick", "a", "train", "F"),
        ("well", "a", "train", "F"),
        ("sick", "b", "test", "M"),
        ("sick", "c", "test", "F"),
    ]
    cases = [case(at, label, patient, side, sex=sex) for at, (label, patient, side, sex) in enumerate(rows)]
    section = describe_cohort(case_table_of(cases, two_classes), two_classes, 1)
    assert seen(section.findings) == OK
    assert section.findings[0].text == "4 cases of 3 patients"
    assert section.findings[2].text == "train 2, val 0, test 2 cases; no patient is in two of them"
    by_split, by_sex = section.grids
    assert by_split.header == ("split", "cases", "patients", "sick", "well")
    assert by_split.rows == (
        ("train", "2", "1", "50.0 %", "50.0 %"),
        ("test", "2", "2", "100.0 %", "0.0 %"),
        ("all", "4", "3", "75.0 %", "25.0 %"),
    )
    assert by_sex.title == "by sex" and by_sex.rows[0] == ("F", "3", "2", "66.7 %", "33.3 %")
    assert section.bars[0].labels == ("sick", "well") and section.bars[0].heights == (3.0, 1.0)


def test_a_value_called_all_is_not_counted_twice(two_classes: DataSection) -> None:
    cases = [case(at, split="train", view=view) for at, view in enumerate(["all", "all", "PA"])]
    rows = describe_cohort(case_table_of(cases, two_classes), two_classes, 1).grids[1].rows
    assert [row[:2] for row in rows] == [("PA", "1"), ("all", "2"), ("all", "3")]


def test_prevalence_is_of_known_findings(findings_data: DataSection) -> None:
    cases = [case(at, split="train", mass=cell, nodule="0") for at, cell in enumerate(["1", "0", "", "1"])]
    grid = describe_cohort(case_table_of(cases, findings_data), findings_data, 1).grids[1]
    assert grid.rows == (("train", "4", "4", "66.7 %", "0.0 %"),)


def test_a_patient_in_two_splits_is_a_problem(two_classes: DataSection) -> None:
    cases = [case(0, split="train", patient="x"), case(1, split="train"), case(2, split="test", patient="x")]
    finding = describe_cohort(case_table_of(cases, two_classes), two_classes, 1).findings[2]
    assert finding.grade == "problem"
    assert "1 patient or group in more than one split: figures would be too good; lines 2, 4" in finding.text
    assert "give all cases of a patient, and of a group, one `split`" in finding.todo


def test_a_group_in_two_splits_is_a_problem(two_classes: DataSection) -> None:
    cases = [Case("/0", "sick", "a", group="g", split="train"), Case("/1", "sick", "b", group="g", split="val")]
    findings = describe_cohort(case_table_of(cases, two_classes), two_classes, 1).findings
    assert findings[2].grade == "problem"
    assert findings[0].text == "2 cases of 2 patients, in 1 unit that stay together"


def test_labels_that_the_plan_does_not_have_are_named_by_line_only(two_classes: DataSection) -> None:
    cases = [case(0, split="train"), case(1, "Huber, Anna", split="train")]
    finding = describe_cohort(case_table_of(cases, two_classes), two_classes, 1).findings[1]
    assert finding.grade == "problem" and "Huber" not in str(finding)
    assert finding.text == (
        "1 case with a label that is not in the plan's data.classes (sick, well); line 3 of the manifest"
    )
    assert finding.todo == (
        "a label that is this hospital's own word for a class belongs under `terms` in site.yaml, as "
        "`terms: {its word: well}`; correct others in the manifest, or leave their lines out"
    )


def test_columns_that_the_task_needs(survival_data: DataSection) -> None:
    finding = describe_cohort(case_table_of([case(0, split="train")], survival_data), survival_data, 1).findings[1]
    assert finding.grade == "problem"
    assert finding.text == "the plan's data.task=survival needs the column(s) time, event"
    assert finding.todo.endswith("under `terms` in site.yaml: `terms: {its name: time}`")


@pytest.mark.parametrize(
    ("cases", "text"),
    [
        ([case(0, "a"), case(1, "b")], "2 labels; whether they are a plan's needs a plan"),
        ([case(0, "", time="1", event="0")], "times and events; whether they are a plan's needs a plan"),
        ([case(0, "")], "the manifest has no labels"),
        ([case(at, f"text {at}") for at in range(31)], "31 different labels: too many to be classes of a plan"),
    ],
)
def test_without_a_plan(cases: list[Case], text: str) -> None:
    findings = describe_cohort(case_table_of(cases), None, 1).findings
    assert findings[1].text == text
    assert findings[2].text == "the manifest names none; `split` in site.yaml decides, by patient"


def test_without_a_plan_a_rare_label_is_not_named() -> None:
    """Whatever stands in `label` of one patient could be anything."""
    cases = [case(at, "sick") for at in range(3)] + [case(3, "Huber, Anna")]
    section = describe_cohort(case_table_of(cases), None, 2)
    assert section.grids[0].header == ("", "cases", "patients", "sick")
    assert "Huber" not in repr(section)


def test_subgroups_beyond_a_dozen_are_not_shown() -> None:
    columns = {f"c{number}": str(number) for number in range(14)}
    cases = [case(0, **columns), case(1, **dict.fromkeys(columns, "x"))]
    section = describe_cohort(case_table_of(cases), None, 1)
    assert section.findings[3].text.endswith("c11, and 2 more that are not shown")
    assert len(section.grids) == 13


def test_no_subgroup() -> None:
    assert "no column with few values" in describe_cohort(case_table_of([case(0)]), None, 1).findings[3].text


def test_some_of_a_roll() -> None:
    case_table = CaseTable((case(0), case(1)), (2, 3), ("train", "test"), (Outcome("a", (True, False)),))
    assert case_table.some([1]) == CaseTable((case(1),), (3,), ("test",), (Outcome("a", (False,)),))
    assert case_table.positions("test") == [1]


def test_findings_with_without_and_unknown(findings_data: DataSection) -> None:
    cases = [case(at, mass=cell, nodule="0") for at, cell in enumerate(["1", "0", "", "1"])]
    grid = describe_cohort(case_table_of(cases, findings_data), findings_data, 1).grids[0]
    assert grid.header == ("finding", "with it", "without", "unknown", "of the known")
    assert grid.rows == (("mass", "2", "1", "1", "66.7 %"), ("nodule", "0", "4", "0", "0.0 %"))


def test_many_outcomes_stand_below_one_another() -> None:
    data = DataSection("classification", tuple("abcde"), 32, "sites", 0.2, 0.2)
    cases = [case(at, name, sex="FM"[at % 2]) for at, name in enumerate("aabbcc")]
    by_sex = describe_cohort(case_table_of(cases, data), data, 1).grids[1]
    assert by_sex.header == ("sex", "F", "M", "all")
    assert by_sex.rows[0] == ("cases", "3", "3", "6") and by_sex.rows[-1] == ("e", "0.0 %", "0.0 %", "0.0 %")


def test_events_by_subgroup(survival_data: DataSection) -> None:
    """Of two women one, of two men none has the event."""
    cells = [("F", "1"), ("F", "0"), ("M", "0"), ("M", "no")]
    cases = [case(at, "", sex=sex, time="2", event=event) for at, (sex, event) in enumerate(cells)]
    by_sex = describe_cohort(case_table_of(cases, survival_data), survival_data, 1).grids[1]
    assert by_sex.header == ("sex", "cases", "patients", "event")
    assert [row[-1] for row in by_sex.rows] == ["50.0 %", "0.0 %", "25.0 %"]


def test_findings_of_no_plan_are_no_subgroups(findings_data: DataSection) -> None:
    cases = [
        case(at, sex="01"[at % 2], hernia="01"[at % 2], view="AP" * (at % 2), mass="1", nodule="") for at in range(8)
    ]
    found = describe_cohort(case_table_of(cases, findings_data), findings_data, 1).findings
    assert str(found[3]) == (
        "ok       other findings: 1 column of yes and no taken for findings that the plan does not use"
    )
    assert found[4].text == "sex"  # view has one value only


def test_lines_that_are_several_cases(two_classes: DataSection) -> None:
    case_table = case_table_of([case(0), case(1), case(2)], two_classes)
    series = CaseTable(case_table.cases, (2, 2, 3), case_table.splits, case_table.outcomes)
    assert describe_cohort(series, two_classes, 1).findings[0].text == "2 lines, 3 cases of 3 patients"


def test_splits_that_the_plan_wants_given(two_classes: DataSection) -> None:
    given = replace(two_classes, test="given")
    found = describe_cohort(case_table_of([case(0), case(1)], given), given, 1).findings
    assert str(found[2]) == (
        "problem  splits: the plan says data.test=given, but the manifest names no `split`; add the column: train, val "
        "or test on every line"
    )
