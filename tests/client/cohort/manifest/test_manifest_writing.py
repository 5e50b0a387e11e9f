"""What is written as a manifest is read back, and runs in no spreadsheet; and what can't be written."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import read_manifest, write_manifest
from fedgraft.common.errors import DataError

HOSTILE = ["=1+1", "+1+1", "-cmd|' /C calc'!A0", "@SUM(A1)", "'=x", "''@y", "＝1", "-"]
NUMBERS = ["-3", "+2.5", "-1e-7", "-.5", "+1."]


def test_written_and_read_back(tmp_path: Path) -> None:
    cases = [
        Case("/data/scans.npz::images", "a", "p,1", row=0, columns=(("sex", "F"), ("=age", ""))),
        Case("/data/b.png", 'say "b"', "p2", group="g", columns=(("sex", ""), ("=age", "a;b"))),
        Case("/data/ä.png", "a", "p3", columns=(("sex", "'F'"), ("=age", "-7"))),
        *(Case(f"/{cell}", cell, cell, columns=(("sex", cell), ("=age", cell))) for cell in HOSTILE + NUMBERS),
    ]
    write_manifest(tmp_path / "new" / "folder" / "m.csv", cases)
    assert read_manifest(tmp_path / "new" / "folder" / "m.csv") == tuple(cases)
    assert [file.name for file in (tmp_path / "new" / "folder").iterdir()] == ["m.csv"]


def test_no_label_at_all_is_written_without_the_column(tmp_path: Path) -> None:
    cases = (
        Case("/t.csv", "", "p1", row=0, columns=(("time", "3"),)),
        Case("/t.csv", "", "p2", row=1, columns=(("time", "4"),)),
    )
    write_manifest(tmp_path / "m.csv", cases)
    assert (tmp_path / "m.csv").read_text().splitlines()[0] == "path,row,patient,group,split,time"
    assert read_manifest(tmp_path / "m.csv") == cases


def test_a_spreadsheet_finds_no_formula_in_what_is_written(tmp_path: Path) -> None:
    """Relative paths begin a cell too; a number with a sign stays a number."""
    cases = [Case(cell, cell, cell, columns=(("=x", cell),)) for cell in HOSTILE + NUMBERS]
    write_manifest(tmp_path / "m.csv", cases)
    with (tmp_path / "m.csv").open(newline="", encoding="utf-8") as stream:
        cells = [cell for line in csv.reader(stream) for cell in line]
    assert {cell for cell in cells if cell[:1] in tuple("=+-@＝＋－＠")} == set(NUMBERS)
    assert "'=x" in cells


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        (Case("/2.png", "", "p"), "no `path`, `patient` or `label`"),
        (Case("/2.png", "a", ""), "no `path`, `patient` or `label`"),
        (Case("", "a", "p"), "no `path`, `patient` or `label`"),
        (Case("/2.png", "a", "p", columns=(("age", "3"),)), "other columns than the first case"),
        (Case("/2.png", "a", "p "), "spaces around a cell"),
    ],
)
def test_what_can_not_be_written(tmp_path: Path, case: Case, problem: str) -> None:
    with pytest.raises(DataError, match=f"can't be written: line 3 would have {problem}"):
        write_manifest(tmp_path / "m.csv", [Case("/1.png", "a", "p"), case])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["", "label"])
def test_a_column_that_can_not_be_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="line 2 would have another column without a name, or with one that is taken"):
        write_manifest(tmp_path / "m.csv", [Case("/1.png", "a", "p", columns=((name, "x"),))])


@pytest.mark.parametrize("mark", ["\n", "\r", "\0"])
def test_a_line_break_can_not_be_written_and_leaves_the_file_as_it_was(tmp_path: Path, mark: str) -> None:
    write_manifest(tmp_path / "m.csv", [Case("/1.png", "a", "p")])
    before = (tmp_path / "m.csv").read_bytes()
    with pytest.raises(DataError, match="line 2 can't be written to a manifest: a cell holds a line break or a NUL"):
        write_manifest(tmp_path / "m.csv", [Case("/1.png", "a", f"p{mark}q")])
    assert (tmp_path / "m.csv").read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["m.csv"]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_written_is_read_back(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    letters = [*"ab'\"=+-@,;\t 0.1äß日\\|", "''", "\ufeff"]

    def cell(least: int = 1) -> str:
        return "".join(rng.choice(letters, int(rng.integers(least, 6)))).strip() or ("x" if least else "")

    names = sorted({f"{cell()}c" for _ in range(3)})
    cases = tuple(
        Case(f"/{number}/x{cell()}", cell(), cell(), columns=tuple((name, cell(0)) for name in names))
        for number in range(20)
    )
    write_manifest(tmp_path / "m.csv", cases)
    assert read_manifest(tmp_path / "m.csv") == cases
