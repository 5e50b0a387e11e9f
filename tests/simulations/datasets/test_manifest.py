"""A person's own manifest as a data set: columns by any name, and one error for each mistake, which names the line."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.columns import Columns
from fedgraft.simulations.datasets.manifest import manifest, source_from_rows

HEADER = ("image", "diagnosis", "patient_id", "hospital", "sex")
NAMES = {"file": "image", "label": "diagnosis", "patient": "patient_id", "site": "hospital"}


def write(folder: Path, lines: Sequence[Sequence[str]], header: Sequence[str] = HEADER, **how: Any) -> str:
    encoding = how.pop("encoding", "utf-8")
    with (folder / "cases.csv").open("w", newline="", encoding=encoding) as stream:
        csv.writer(stream, **how).writerows([header, *lines])
    return str(folder / "cases.csv")


def four(folder: Path) -> list[list[str]]:
    """Two cases each of two hospitals; the files are there, and empty."""
    lines = []
    for number in range(4):
        (folder / f"{number}.png").touch()
        hospital = "north" if number < 2 else "south"
        lines.append([f"{number}.png", "ill" if number % 2 else "well", f"p{number}", hospital, "F"])
    return lines


def read(path: str, **options: Any) -> Any:
    return manifest(path=path, **{"task": "classification", "classes": None, **NAMES, **options})


def message(path: str, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read(path, **options)
    return str(caught.value)


def test_columns_of_any_name(tmp_path: Path) -> None:
    source = read(write(tmp_path, four(tmp_path)))
    assert source.site_of == ("north", "north", "south", "south")
    first = source.cases[1]
    assert (first.path, first.label, first.patient) == (f"{tmp_path}/1.png", "ill", "p1")
    assert dict(first.columns) == {"hospital": "north", "sex": "F"}


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_semicolons_and_tabs_are_read(tmp_path: Path, delimiter: str) -> None:
    path = write(tmp_path, four(tmp_path), delimiter=delimiter)
    assert [case.label for case in read(path).cases] == ["well", "ill", "well", "ill"]


def test_a_byte_order_mark_as_excel_writes_it(tmp_path: Path) -> None:
    assert len(read(write(tmp_path, four(tmp_path), encoding="utf-8-sig")).cases) == 4


def test_parquet_is_read_as_the_csv_that_it_stands_for(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    lines = four(tmp_path)
    columns = {name: [line[place] for line in lines] for place, name in enumerate(HEADER)}
    parquet.write_table(pa.table({**columns, "age": [61, 52, None, 70]}), tmp_path / "cases.parquet")
    source = read(str(tmp_path / "cases.parquet"))
    assert [case.column("age") for case in source.cases] == ["61", "52", "", "70"]
    assert source.site_of == ("north", "north", "south", "south")


def test_all_columns_that_are_missing_in_one_error_with_the_nearest_and_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path, four(tmp_path))
    said = message(path, label="diagnose", patient="patient", site="hopital")
    assert said == (
        f"{path} has no column `hopital` (data.site, perhaps data.site=hospital), `diagnose` (the class; data.label "
        "names its column, perhaps data.label=diagnosis), `patient` (shared by all cases of a patient; data.patient "
        "names its column, null if each line is another patient, perhaps data.patient=patient_id). Its columns are: "
        "image, diagnosis, patient_id, hospital, sex"
    )


def test_the_column_of_patients_is_told_by_its_usual_names(tmp_path: Path) -> None:
    """By likeness `pain` would be nearest to `patient`."""
    path = tmp_path / "c.csv"
    path.write_text("pid,pain,label\n1,none,ill\n")
    assert "null if each line is another patient, perhaps data.patient=pid)" in message(path)
    path.write_text("pain,label\nnone,ill\n")
    assert "null if each line is another patient). Its columns" in message(path)


def test_another_separator(tmp_path: Path) -> None:
    path = write(tmp_path, four(tmp_path), delimiter="|")
    said = message(path)
    assert "names one column, `image|diagnosis|patient_id|hospital|sex`, in its first line" in said
    assert "separate cells by commas, semicolons or tabs" in said


def test_each_line_another_patient(tmp_path: Path) -> None:
    source = read(write(tmp_path, four(tmp_path)), patient=None)
    assert [case.patient for case in source.cases] == ["line-2", "line-3", "line-4", "line-5"]


def test_a_column_of_a_known_name_that_means_something_else_is_left_out(tmp_path: Path) -> None:
    """Both hospitals have the group `arm-a`, which is a treatment and must not join them."""
    lines = [[*line, "arm-a"] for line in four(tmp_path)]
    path = write(tmp_path, lines, (*HEADER, "group"))
    assert "1 group(s) have cases at two hospitals, the first in lines 2 (north) and 4 (south)" in message(path)
    source = read(path, group=None)
    assert {case.group for case in source.cases} == {None}
    assert source.cases[0].column("group") is None


def test_an_empty_group_is_no_group(tmp_path: Path) -> None:
    lines = [[*line, ""] for line in four(tmp_path)]
    source = read(write(tmp_path, lines, (*HEADER, "group")))
    assert {case.group for case in source.cases} == {None}


def test_not_utf8_names_the_line(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[2][3] = "Zürich"
    path = write(tmp_path, lines, encoding="latin-1")
    assert message(path) == (
        f"manifest {path}, line 4 is not UTF-8 text (is it Latin-1 or Windows-1252?); save it as CSV (UTF-8)"
    )


def test_an_empty_file_and_one_without_a_case(tmp_path: Path) -> None:
    (tmp_path / "cases.csv").touch()
    assert "is empty; its first line must name the columns" in message(str(tmp_path / "cases.csv"))
    assert "lists no case" in message(write(tmp_path, []))


def test_no_such_file(tmp_path: Path) -> None:
    write(tmp_path, four(tmp_path))
    assert message(f"{tmp_path}/case.csv") == (
        f"data.path={tmp_path}/case.csv is no file in {tmp_path}; did you mean cases.csv?"
    )
    assert message(f"{tmp_path}/x.csv").endswith(f"is no file in {tmp_path}; CSV and Parquet files there: cases.csv")
    assert "it is a folder: for site folders use data=folders" in message(str(tmp_path))
    assert f"there is no folder {tmp_path}/none" in message(f"{tmp_path}/none/cases.csv")


def test_a_hospital_that_is_empty(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[1][3] = " "
    path = write(tmp_path, lines)
    assert message(path) == (f"{path}: `hospital` is empty in 1 of 4 lines (line 3); name the hospital of each case")


def test_an_empty_label_and_patient_by_the_names_in_the_file(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[0][1] = lines[3][2] = ""
    said = message(write(tmp_path, lines))
    assert "`diagnosis` is empty in 1 of 4 lines (line 2); fill in a class of the plan" in said
    assert "`patient_id` is empty in 1 of 4 lines (line 5); fill in any name" in said


def test_a_label_that_is_no_class(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[2][1] = "wel"
    path = write(tmp_path, lines)
    assert message(path, classes=("well", "ill")) == (
        f"{path}: `diagnosis` is no class of data.classes=[well,ill] in 1 of 4 lines (line 4); the first says `wel` "
        "(is it well?). Correct it, or add it to data.classes"
    )


def test_a_hospital_with_one_case_is_mostly_a_misspelt_one(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[3][3] = "Suoth"
    (tmp_path / "4.png").touch()
    path = write(tmp_path, [*lines, ["4.png", "ill", "p9", "south", "F"]])
    said = message(path)
    assert said == (
        f"{path}: in `hospital`, hospital(s) with fewer than 2 cases: Suoth (line 5), perhaps south. Correct the name, "
        "delete the lines, or set data.min_cases=1"
    )
    assert len(set(read(path, min_cases=1).site_of)) == 3


def test_names_of_hospitals_become_names_of_folders_and_that_is_said(tmp_path: Path) -> None:
    lines = four(tmp_path)
    for number, name in enumerate(("Zürich", "Zürich", "St. Mary's", "St. Mary's")):
        lines[number][3] = name
    source = read(write(tmp_path, lines))
    assert source.site_of == ("Zurich", "Zurich", "St-Mary-s", "St-Mary-s")
    assert source.notes == (
        "hospitals are called by letters, digits, - and _: Zürich = Zurich, St. Mary's = St-Mary-s",
    )


def test_two_hospitals_that_would_have_one_name(tmp_path: Path) -> None:
    lines = four(tmp_path)
    for number, name in enumerate(("A B", "A B", "A.B", "A.B")):
        lines[number][3] = name
    said = message(write(tmp_path, lines))
    assert "names the hospitals `A B` (line 2) and `A.B` (line 4), which would both be called A-B; rename one" in said


def test_a_patient_at_two_hospitals(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[3][2] = "p0"
    path = write(tmp_path, lines)
    assert message(path) == (
        f"{path}: 1 patient(s) have cases at two hospitals, the first in lines 2 (north) and 5 (south). If names are "
        "each hospital's own, say data.own_patients=true; else correct `patient_id` or the hospital"
    )
    assert read(path, own_patients=True).own_patients


def test_a_wrong_folder_is_told_from_a_file_that_is_missing(tmp_path: Path) -> None:
    lines = four(tmp_path)
    lines[0][0] = "9.png"
    assert len(read(write(tmp_path, lines)).cases) == 4  # that one will be quarantined
    for number, line in enumerate(lines):
        line[0] = f"films/{number}.png"
    path = write(tmp_path, lines)
    assert message(path) == (
        f"{path}, line 2: there is no file {tmp_path}/films/0.png, nor any of the first 4. Paths are relative to the "
        "manifest's folder, or absolute"
    )


def test_without_a_hospital_another_partition_is_possible_and_the_column_is_suggested(tmp_path: Path) -> None:
    source = read(write(tmp_path, four(tmp_path)), site=None)
    assert source.site_of is None
    assert source.site_hint == "name the column of the hospital: data.site=hospital"


def test_findings(tmp_path: Path) -> None:
    lines = [[*line, "1", "0"] for line in four(tmp_path)]
    lines[1][5], lines[2][6] = "", "maybe"
    path = write(tmp_path, lines, (*HEADER, "effusion", "mass"))
    assert message(path, task="multilabel", classes=("effusion", "mass")) == (
        f"{path}: `mass` is not 1, 0, or empty for unknown in 1 of 4 lines (line 4); correct it, or delete the lines"
    )
    assert message(path, task="multilabel", classes=("efusion",)) == (
        f"{path} has no column `efusion`, which data.classes names as a finding; columns that could be one: effusion; "
        "did you mean `effusion`?"
    )


def test_survival_with_columns_of_other_names(tmp_path: Path) -> None:
    lines = [[*line, str(10 + number), "1"] for number, line in enumerate(four(tmp_path))]
    path = write(tmp_path, lines, (*HEADER, "days", "died"))
    options = {"task": "survival", "classes": (), "time": "days", "event": "died"}
    source = read(path, **options)
    assert [(case.column("time"), case.column("event")) for case in source.cases][1] == ("11", "1")
    assert {case.label for case in source.cases} == {"well", "ill"}
    lines[0][5], lines[1][6] = "0", "dead"
    path = write(tmp_path, lines, (*HEADER, "days", "died"))
    assert "`days` is not a finite number above 0 in 1 of 4 lines (line 2)" in message(path, **options)
    lines[0][5] = "1"
    path = write(tmp_path, lines, (*HEADER, "days", "died"))
    assert "`died` is not 1 or 0 in 1 of 4 lines (line 3)" in message(path, **options)


def test_rows_that_are_in_memory(tmp_path: Path) -> None:
    """No file of that name is there: the rows are a table."""
    rows = [["well", "p1", "a", "61"], ["ill", "p2", "a", "52"]]
    columns = Columns(site="at", file=None)
    source = source_from_rows(tmp_path / "frame.csv", ("label", "patient", "at", "age"), rows, columns)
    assert [(case.path, case.row) for case in source.cases] == [(f"{tmp_path}/frame.csv", n) for n in (0, 1)]
    assert [case.column("age") for case in source.cases] == ["61", "52"]
