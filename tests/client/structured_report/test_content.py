"""The content of a report for each kind of answer."""

from __future__ import annotations

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

pytest.importorskip("highdicom", reason="highdicom is not installed (extra dicom-sr)")

from fedgraft.client.structured_report.content import Author, Findings, measurement_report

AUTHOR = Author("FedGraft model lungs", "0123456789abcdef" * 4, ("plan 12",))


def group_of(findings: Findings) -> Dataset:
    """The one group of measurements."""
    image = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")), stop_before_pixels=True)
    report = measurement_report(findings, AUTHOR, [(image, ())])
    (group,) = report.ContentSequence[-1].ContentSequence
    assert isinstance(group, Dataset)
    return group


def pairs(group: Dataset, kind: str) -> list[tuple[str, str]]:
    """Names and values of the codes or numbers of private names."""
    found = []
    for item in group.ContentSequence:
        name = item.ConceptNameCodeSequence[0]
        if item.ValueType == kind and name.CodingSchemeDesignator == "99FEDGRAFT":
            value = (
                item.ConceptCodeSequence[0].CodeMeaning
                if kind == "CODE"
                else item.MeasuredValueSequence[0].NumericValue
            )
            found.append((name.CodeMeaning, str(value)))
    return found


def texts(group: Dataset) -> list[str]:
    return [item.TextValue for item in group.ContentSequence if item.ValueType == "TEXT"]


def test_a_survival_model_gives_one_number_and_no_flag() -> None:
    group = group_of(Findings(log_hazard=-0.25))
    assert pairs(group, "NUM") == [("Log hazard", "-0.25")] and pairs(group, "CODE") == []
    assert "log hazard: -0.2500" in texts(group)


def test_findings_are_each_answered_and_flagged_with_every_reason() -> None:
    findings = Findings(
        {"edema": 0.25, "nodule": 1e-7},
        calibrated=True,
        predicted=("edema=no", "nodule=no"),
        answers=("edema=yes|no", "nodule=no"),
        why=("more than one answer", "close to the threshold"),
    )
    group = group_of(findings)
    assert pairs(group, "NUM") == [
        ("Calibrated probability of edema", "0.25"),
        ("Calibrated probability of nodule", "1e-07"),
    ]
    assert pairs(group, "CODE") == [
        ("Predicted", "edema=no"),
        ("Predicted", "nodule=no"),
        ("Answer that may be true", "edema=yes|no"),
        ("Answer that may be true", "nodule=no"),
        ("A person must look at it", "more than one answer"),
        ("A person must look at it", "close to the threshold"),
    ]
    codes = [item.ConceptCodeSequence[0].CodeValue for item in group.ContentSequence if item.ValueType == "CODE"]
    assert codes[-6:] == ["answer-0", "answer-1", "answer-2", "answer-1", "answer-3", "answer-4"]
    assert "a person must look at it: more than one answer; close to the threshold" in texts(group)


def test_a_long_name_is_cut_as_a_code_and_whole_as_text() -> None:
    name = "a class \\ of " + "many " * 20 + "words"
    group = group_of(Findings({name: 0.5}, predicted=(name,), why=()))
    ((said, _),) = pairs(group, "NUM")
    assert said.startswith("Uncalibrated probability of a class / of many") and len(said) == 64 and said[-3:] == "..."
    assert f"uncalibrated probability of {name}: 0.5000" in texts(group)
    assert pairs(group, "CODE")[-1] == ("A person must look at it", "no") and "no flag" in texts(group)


def test_the_model_is_named_by_its_digest() -> None:
    group = group_of(Findings({"a": 0.5}))
    assert {AUTHOR.name, AUTHOR.version, "plan 12"} <= set(texts(group))
    assert texts(group)[-2].startswith("AI result, not verified: it was computed by a program, and no person")
