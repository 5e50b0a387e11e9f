"""Patients and scanners as numbers."""

from __future__ import annotations

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.groups import patients_of, scanners_of
from fedgraft.common.errors import DataError


def case(patient: str, scanner: str | None) -> Case:
    return Case("/a.png", "x", patient, columns=() if scanner is None else (("scanner", scanner),))


def test_equal_names_have_equal_numbers() -> None:
    cases = [case("p1", "A"), case("p2", "B"), case("p1", " A "), case("p3", "")]
    assert patients_of(cases).tolist() == [0, 1, 0, 2]
    assert scanners_of(cases, "scanner").tolist() == [0, 1, 0, -1]
    assert patients_of([]).tolist() == scanners_of([], "scanner").tolist() == []


def test_a_manifest_without_the_column_is_an_error() -> None:
    with pytest.raises(DataError, match=r"the manifest lacks the column scanner, which alignment.column names"):
        scanners_of([case("p1", None)], "scanner")
