"""``fedgraft site draft TABLE``: lines worked out by hand, what is said, and every message."""

from __future__ import annotations

import csv
import re
import stat
from pathlib import Path

import pytest

from fedgraft.client.cli import main
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError

TABLE = """Fall;Befund;Alter;Dosis;Summe;Text
SECRET1;krank;63;1,5;1.234,5;1,5 mg
SECRET1;gesund;;-0,25;?;
=SECRET2;krank;41;3;,5;x
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "Übersicht der Fälle.csv"
    file.write_text(TABLE, encoding="utf-8")
    return file


def drafted(table: Path, *options: str) -> int:
    return main(["draft", str(table), "--out", str(table.parent / "manifest.csv"), *options])


def lines(table: Path) -> list[list[str]]:
    with (table.parent / "manifest.csv").open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.reader(stream))


def test_columns_get_a_manifest_s_names_and_numbers_a_point(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted(table, "--columns", "patient=Fall", "label=Befund", "--decimal", "comma") == 0
    assert lines(table) == [
        ["patient", "label", "Alter", "Dosis", "Summe", "Text"],
        ["SECRET1", "krank", "63", "1.5", "1234.5", "1,5 mg"],
        ["SECRET1", "gesund", "", "-0.25", "?", ""],
        ["'=SECRET2", "krank", "41", "3", ".5", "x"],
    ]
    said = capsys.readouterr().out
    assert "3 lines, 2 patients; it holds what is known of them: keep it here" in said
    assert "4 numbers with a comma got a point: Dosis, Summe" in said and "`label` has 2 different values" in said
    manifest = table.parent / "manifest.csv"
    assert f"next: fedgraft site init --name NAME --manifest {manifest} " in said and "SECRET" not in said
    assert stat.S_IMODE(manifest.stat().st_mode) == 0o600
    cases = read_manifest(manifest)
    assert [(case.patient, case.label, case.column("Dosis")) for case in cases] == [
        ("SECRET1", "krank", "1.5"),
        ("SECRET1", "gesund", "-0.25"),
        ("=SECRET2", "krank", "3"),
    ]


def test_what_to_type_next_is_quoted(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = table.parent / "our list.csv"
    assert main(["draft", str(table), "--out", str(out), "--columns", "patient=Fall"]) == 0
    assert f"--manifest '{out}' " in capsys.readouterr().out


def test_without_the_option_numbers_stay_and_it_is_said(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drafted(table, "--columns", "patient=#") == 0
    assert [line[:5] for line in lines(table)[:3]] == [
        ["patient", "Fall", "Befund", "Alter", "Dosis"],
        ["1", "SECRET1", "krank", "63", "1,5"],
        ["2", "SECRET1", "gesund", "", "'-0,25"],  # no formula to a spreadsheet
    ]
    said = capsys.readouterr().out
    assert "numbers with a comma, which a run refuses: Dosis, Summe; --decimal comma writes them" in said
    assert "3 lines, 3 patients" in said
    assert "to name: the column with the class, --columns label=COLUMN; for survival time=COLUMN event=COLUMN" in said


def test_what_may_be_thousands_or_is_written_in_two_ways_is_said(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text("patient;time;event;a;b\np;1;0;1,234;1,5\nq;2;1;2,345;2.5\n")
    assert drafted(table, "--decimal", "comma") == 0
    assert lines(table)[1:] == [["p", "1", "0", "1.234", "1,5"], ["q", "2", "1", "2.345", "2.5"]]
    said = capsys.readouterr().out
    assert "of a all have three digits after the comma: look whether they are thousands" in said
    assert "stand beside numbers with a point, left as they are and refused later: b; write them in one way" in said
    assert "to name" not in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "names the patient? Say --columns patient=COLUMN, or patient=# if each line is a patient of its own; the"),
        (["--columns", "patient"], "--columns patient: write NAME=COLUMN"),
        (["--columns", "patient=Fall", "patient=Text"], "--columns patient=Text: named twice"),
        (["--columns", "who=Fall"], "--columns who=Fall: a manifest has no who; it has patient, label, time, event"),
        (["--columns", "patient=Id"], "has no column Id; the table has: Fall, Befund, Alter, Dosis, Summe, Text"),
        (["--columns", "patient=Fall", "label=Fall"], "--columns gives two names to one column; name each once"),
        (["--columns", "patient=Fall", "--label-from", "folder"], "--label-from has no effect: "),
        (["--columns", "patient=Fall", "--patient-pattern", "x"], "--patient-pattern has no effect: "),
    ],
)
def test_wrong_options(table: Path, options: list[str], message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)):
        drafted(table, *options)
    assert not (table.parent / "manifest.csv").exists()


def test_what_a_table_can_t_be(table: Path) -> None:
    for text, options, message in (
        ("patient,label\n", [], "has no line below the names of its columns"),
        ("patient,label\np,1\n", ["--decimal", "comma"], "--decimal comma has no effect: no column of "),
        ("patient,label,a\np,1,2\n", ["--columns", "label=a"], "also has a column `label`; rename or delete that one"),
        ("patient,label\np,1\n", ["--columns", "patient=#"], "has a column `patient`; leave the option out"),
        ("patient,label\np,1,2\n", [], "line 2 has 3 cells, but the first line 2"),
    ):
        table.write_text(text)
        with pytest.raises(DataError, match=re.escape(message)):
            drafted(table, *options)
    for options in (["--columns", "patient=Fall"], ["--decimal", "comma"]):
        with pytest.raises(DataError, match=f"{options[0]} has no effect: .* is not a table; leave it out"):
            main(["draft", str(table.parent), "--out", str(table.parent / "m.csv"), *options])
