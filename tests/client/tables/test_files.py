"""Tables on disk: CSV and Parquet give the same cells; what can't be read has a reason."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.site.limits import Limits
from fedgraft.client.tables.files import TableFiles
from fedgraft.common.errors import DataError

NAMES = ("age", "sex")


def write(folder: Path, text: str, name: str = "table.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_only_the_asked_columns_in_the_asked_order(tmp_path: Path) -> None:
    path = write(tmp_path, "﻿sex,x,age\nf,1,50\nm,2,\n\n\n")
    found = TableFiles().read(path, NAMES)
    assert found.names == NAMES
    assert found.rows == [("50", "f"), ("", "m")]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs_where_the_first_line_has_no_comma(tmp_path: Path, mark: str) -> None:
    path = write(tmp_path, "sex;x;age\nf;1,5;50\nm;2;\n".replace(";", mark))
    assert TableFiles().read(path, NAMES).rows == [("50", "f"), ("", "m")]


@pytest.mark.parametrize("text", ["age,sex\n50,f\n\n60,m\n", "age,sex\n\n50,f\n", "age\n50\n\n60\n"])
def test_an_empty_line_between_rows_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(CaseError, match=r"^inconsistent: a table with an empty line between its rows; delete"):
        TableFiles().read(write(tmp_path, text), NAMES)


def test_an_empty_cell_of_the_only_column_is_written_with_quotes(tmp_path: Path) -> None:
    assert TableFiles().read(write(tmp_path, 'age\n50\n""\n60\n'), ("age",)).rows == [("50",), ("",), ("60",)]


def test_a_column_that_is_not_there_is_left_out(tmp_path: Path) -> None:
    assert TableFiles().read(write(tmp_path, "sex\nf\n"), NAMES).names == ("sex",)
    assert TableFiles().read(write(tmp_path, "", "empty.csv"), NAMES).names == ()


def test_a_row_of_another_length_is_none_the_others_count(tmp_path: Path) -> None:
    found = TableFiles().read(write(tmp_path, "age,sex\n50,f,9\n60\n70,m\n"), NAMES)
    assert found.rows == [None, None, ("70", "m")]


def test_parquet_is_text_as_a_csv_would_be(tmp_path: Path) -> None:
    table = pa.table(
        {
            "age": pa.array([50.0, None, float("nan"), 0.1, 1e300]),
            "sex": pa.array(["f", None, "m", "", "x"]),
            "yes": pa.array([True, False, None, True, True]),
            "n": pa.array([1, 2, None, 4, 5], pa.int64()),
        }
    )
    path = tmp_path / "table.parquet"
    pq.write_table(table, path)
    found = TableFiles().read(path, ("age", "sex", "yes", "n"))
    assert found.rows == [
        ("50", "f", "1", "1"), ("", "", "0", "2"), ("", "m", "", ""), ("0.1", "", "1", "4"), ("1e+300", "x", "1", "5"),
    ]  # fmt: skip
    assert TableFiles().read(path, ("none",)).rows == [()] * 5


def test_a_file_is_read_once_until_it_changes(tmp_path: Path) -> None:
    path, files = write(tmp_path, "age,sex\n50,f\n"), TableFiles()
    first = files.read(path, NAMES)
    assert files.read(path, NAMES) is first
    write(tmp_path, "age,sex\n50,f\n60,m\n")
    assert len(files.read(path, NAMES).rows) == 2


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("table.csv", b"age,sex\n\xff\xfe,f\n", "damaged"),
        ("table.csv", b"age,sex\n50," + b"f" * 200_000, "damaged"),
        ("table.parquet", b"PAR1 but not really", "damaged"),
        ("table.parquet", b"", "damaged"),
        ("table.xlsx", b"PK", "unsupported"),
        ("table.csv", b"age,sex\n" + b"5,f\n" * 300_000, "too-large"),
    ],
)
def test_what_can_t_be_read_has_a_reason(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    files = TableFiles(Limits(decoded_bytes=1_000_000))
    for _ in range(2):
        with pytest.raises(CaseError) as caught:
            files.read(tmp_path / name, NAMES)
        assert caught.value.reason == reason
        assert name not in str(caught.value)


def test_a_parquet_bomb_is_refused_by_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "bomb.parquet"
    pq.write_table(pa.table({"age": pa.array([7] * 2_000_000)}), path, compression="zstd")
    assert path.stat().st_size < 10_000
    with pytest.raises(CaseError) as caught:
        TableFiles(Limits(decoded_bytes=1_000_000)).read(path, ("age",))
    assert caught.value.reason == "too-large"


def test_there_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", Path("/nul\0.csv"), Path("n" * 5000)):
        with pytest.raises(CaseError) as caught:
            TableFiles().read(path, NAMES)
        assert caught.value.reason == "missing"


def test_a_column_named_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a table has the column\(s\) age twice; rename one"):
        TableFiles().read(write(tmp_path, "age,sex,age\n1,f,2\n"), NAMES)
    assert TableFiles().read(write(tmp_path, "age,sex,x,x\n1,f,2,3\n"), NAMES).rows == [("1", "f")]
