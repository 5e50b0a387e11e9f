"""A table is written once, whole, and under another name if anything in it changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import read_lines, write_table

LINES = [{"a": "1", "b": "", "c": "x"}, {"a": "2,5", "b": 'say "b"', "c": "y"}]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = write_table(tmp_path / "new", "site", ("b", "a"), LINES)
    assert file.read_text(encoding="utf-8") == 'b,a\n,1\n"say ""b""","2,5"\n'
    assert read_lines(file, ("a",)) == [{"b": "", "a": "1"}, {"b": 'say "b"', "a": "2,5"}]
    assert [path.name for path in file.parent.iterdir()] == [file.name]
    assert file.name.startswith("site-") and file.is_absolute()


def test_another_content_is_another_file(tmp_path: Path) -> None:
    first = write_table(tmp_path, "site", ("a",), LINES)
    time = first.stat().st_mtime_ns
    assert write_table(tmp_path, "site", ("a",), LINES) == first
    assert first.stat().st_mtime_ns == time
    assert write_table(tmp_path, "site", ("a",), LINES[:1]) != first


def test_a_damaged_file(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    for content, message in (
        (b"a,b\n1,2,3\n", r"table\.csv, line 2: 2 cells are expected"),
        (b"a,b\n1,2\n1\n", r"table\.csv, line 3: 2 cells are expected"),
        (b"a,c\n", r"table\.csv lacks the column\(s\) b"),
        (b"", r"table\.csv lacks the column\(s\) a, b"),
        (b"a,b\n\xff,1\n", r"table\.csv is damaged: UnicodeDecodeError; get it again"),
        (b'a,b\n"' + b"x" * 200_000 + b'",1\n', r"table\.csv is damaged: Error; get it again"),
    ):
        file.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_lines(file, ("a", "b"))
