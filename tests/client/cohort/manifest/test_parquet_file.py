"""A Parquet manifest: the cases of the CSV that it stands for, and every message."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest import parquet_file
from fedgraft.client.cohort.manifest.csv_file import COLUMNS
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError


def write(folder: Path, **columns: Any) -> Path:
    path = folder / "manifest.any-name"
    parquet.write_table(pa.table(columns), path)
    return path


CELLS: list[tuple[Any, list[str]]] = [
    (pa.array([63, None], pa.int8()), ["63", ""]),
    (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    (pa.array([63.0, None], pa.float64()), ["63", ""]),
    (pa.array([float("nan"), -0.0], pa.float64()), ["", "0"]),
    (pa.array([123456789012.0, 0.1], pa.float64()), ["123456789012", "0.1"]),
    (pa.array([1e20, -2.5], pa.float64()), ["1e+20", "-2.5"]),
    (pa.array([0.1, 3.0], pa.float32()), ["0.1", "3"]),
    (pa.array([0.5, 3.0], pa.float32()).cast(pa.float16()), ["0.5", "3"]),
    (pa.array([True, False]), ["1", "0"]),
    (pa.array(["=1+1", None]), ["=1+1", ""]),
    (pa.array(["'=1", " F "], pa.large_string()), ["'=1", "F"]),
    (pa.array(["F", None]).dictionary_encode(), ["F", ""]),
    (pa.array([None, None], pa.null()), ["", ""]),
    (pa.array([datetime.date(2020, 1, 2), None]), ["2020-01-02", ""]),
    (pa.array([Decimal("6.30"), None]), ["6.30", ""]),
]


@pytest.mark.parametrize(("column", "cells"), CELLS)
def test_cells_as_a_csv_would_hold_them(tmp_path: Path, column: pa.Array, cells: list[str]) -> None:
    path = write(tmp_path, path=["1.png", "2.png"], label=["a", "b"], patient=[1, 2], x=column)
    assert read_manifest(path) == (
        Case(f"{tmp_path}/1.png", "a", "1", columns=(("x", cells[0]),)),
        Case(f"{tmp_path}/2.png", "b", "2", columns=(("x", cells[1]),)),
    )


def test_row_label_and_split_may_be_typed(tmp_path: Path) -> None:
    path = write(
        tmp_path, path=["a.npz::x"] * 2, row=[0.0, 1.0], label=[0, 1], patient=["p", "q"], split=["val", "test"]
    )
    assert [(case.row, case.label, case.split) for case in read_manifest(path)] == [(0, "0", "val"), (1, "1", "test")]


def test_the_table_itself_over_more_than_one_batch(tmp_path: Path) -> None:
    count = parquet_file.BATCH + 3
    path = write(tmp_path, patient=list(range(count)), age=list(range(count)))
    cases = read_manifest(path)
    assert len(cases) == count
    assert cases[-1] == Case(str(path), "", str(count - 1), row=count - 1, columns=(("age", str(count - 1)),))


def test_lines_are_those_of_the_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`label` is empty in 1 of 2 lines \(line 3\)"):
        read_manifest(write(tmp_path, path=["1", "2"], label=["a", None], patient=["SECRET", "q"]))


ERRORS: list[tuple[dict[str, Any], str]] = [
    ({"x": [[1], [2]]}, "column 2 holds neither text nor numbers nor dates; leave it out"),
    ({"x": [b"SECRET", b"b"]}, "column 2 holds neither text nor numbers nor dates; leave it out"),
    ({"x": ["SECRET" * 30_000, "b"]}, "column 2 holds a cell of more than 131072 bytes; leave it out"),
    ({"x": ["SECRET\0", "b"]}, "column 2 holds a NUL character"),
    ({f"SECRET{number}": [0, 0] for number in range(COLUMNS)}, "has 4097 columns; 4096 are the most"),
]


@pytest.mark.parametrize(("columns", "message"), ERRORS)
def test_errors(tmp_path: Path, columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(write(tmp_path, patient=["SECRET", "q"], **columns))
    assert "SECRET" not in str(caught.value)


def test_a_row_group_that_says_it_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_file, "GROUP_BYTES", 10)
    with pytest.raises(DataError, match="has a row group of more than 10 bytes; write it with smaller row groups"):
        read_manifest(write(tmp_path, patient=["p", "q"]))


@pytest.mark.parametrize("keep", [4, 100, -20])
def test_a_damaged_file(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path, patient=["p", "q"])
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"is not a Parquet file that can be read \("):
        read_manifest(path)
