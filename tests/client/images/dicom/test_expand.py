"""One line of a manifest to several cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.expansion import expand
from fedgraft.common.plan.data_sections import DicomSection


def plan(**change: Any) -> DicomSection:
    return DicomSection(
        **{"window": "file", "choice": 0, "frames": "middle", "slices": 1, "neighbours": False, **change}
    )


def rows(case: Case, dicom: DicomSection, count: int) -> list[int | None]:
    cases = expand([case], dicom, lambda path: count)
    assert {(one.path, one.label, one.patient) for one in cases} == {(case.path, case.label, case.patient)}
    return [one.row for one in cases]


def test_a_folder_becomes_so_many_slices(tmp_path: Path) -> None:
    case = Case(str(tmp_path), "ill", "p1")
    assert rows(case, plan(slices=3), 9) == [0, 1, 2]
    assert rows(case, plan(slices=3), 2) == [0, 1]
    assert rows(case, plan(), 9) == [0]


def test_a_file_becomes_its_frames_if_all_are_wanted() -> None:
    case = Case("/nowhere/a.dcm", "ill", "p1")
    assert rows(case, plan(frames="all"), 3) == [0, 1, 2]
    assert rows(case, plan(frames="all"), 1) == [None]
    assert rows(case, plan(frames="middle"), 3) == [None]
    assert rows(Case("/nowhere/a", "ill", "p1"), plan(frames="all"), 2) == [0, 1]
    assert rows(Case("/nowhere/a.png", "ill", "p1"), plan(frames="all"), 2) == [None]


@pytest.mark.parametrize("name", ["a", "a.DCM", "a.dicom", "1.2.840.113619.2.55", "a.ima", "a.IMG"])
def test_a_dicom_file_may_have_any_name(name: str) -> None:
    assert rows(Case(f"/nowhere/{name}", "ill", "p1"), plan(frames="all"), 2) == [0, 1]


@pytest.mark.parametrize(
    "name", ["a.PNG", "a.jpg", "a.jpeg", "a.tif", "a.tiff", "a.npz", "a.npz::images", "a.csv", "a.parquet", "a.pq"]
)
def test_pictures_arrays_and_tables_have_no_frames(name: str) -> None:
    assert rows(Case(f"/nowhere/{name}", "ill", "p1"), plan(frames="all"), 2) == [None]


def test_a_case_with_a_row_stays_as_it_is(tmp_path: Path) -> None:
    assert rows(Case(str(tmp_path), "ill", "p1", 7), plan(slices=3), 9) == [7]


def test_a_case_that_cannot_be_counted_stays_as_it_is(tmp_path: Path) -> None:
    def refused(path: Path) -> int:
        raise CaseError("damaged")

    case = Case(str(tmp_path), "ill", "p1")
    assert expand([case], plan(slices=3), refused) == (case,)
