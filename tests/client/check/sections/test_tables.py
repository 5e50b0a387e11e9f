"""Rows of tables, as files that somebody could have."""

from pathlib import Path

import pytest

from fedgraft.client.check.sections.tables import Rows, is_table, look_at_rows
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.tables.files import TableFiles
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import TableSection

TABLE = TableSection(
    ("bp", "chol"), ("sex",), missing=("?",), indicate_missing=False, statistics="federated", min_count=1
)
TEXT = "bp,chol,ward\n120,5,a\nhigh,6,b\n,7\n130,?,c\n"


def rows(folder: Path, table: TableSection | None, text: str = TEXT, **own: str) -> Rows:
    """Lines for rows 0 to 4 of a table (which has rows 0 to 3), and one for a file that is not there."""
    (folder / "t.csv").write_text(text)
    columns = tuple(own.items())
    cases = [Case(str(folder / "t.csv"), "x", f"p{row}", row, columns=columns) for row in range(5)]
    return look_at_rows([*cases, Case(str(folder / "gone.csv"), "x", "p9", 0, columns=columns)], table, TableFiles())


def reasons(found: Rows) -> list[str | None]:
    return [reason_of(verdict) for verdict in found.verdicts.tolist()]


def test_as_a_run_reads_them(tmp_path: Path) -> None:
    found = rows(tmp_path, TABLE, sex="F")
    assert reasons(found) == [None, "bad-value", "inconsistent", None, "no-row", "missing"]
    assert found.lacking == () and found.readable == (0, 1, 3)
    assert found.columns == {"bp": ["120", "high", "130"], "chol": ["5", "6", "?"], "sex": ["F", "F", "F"]}


def test_without_a_plan_all_columns(tmp_path: Path) -> None:
    found = rows(tmp_path, None, view="AP")
    assert reasons(found) == [None, None, "inconsistent", None, "no-row", "missing"]
    assert list(found.columns) == ["bp", "chol", "ward", "view"] and found.columns["ward"] == ["a", "b", "c"]


def test_columns_that_are_not_there(tmp_path: Path) -> None:
    """The rest is looked at all the same; ``sex`` is in no file, ``chol`` in this one not."""
    found = rows(tmp_path, TABLE, TEXT.replace("chol", "cholesterol"))
    assert found.lacking == ("chol", "sex") and list(found.columns) == ["bp"]
    assert reasons(found) == [None, "bad-value", "inconsistent", None, "no-row", "missing"]


def test_a_column_twice(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="twice"):
        rows(tmp_path, TABLE, TEXT.replace("ward", "bp"), sex="F")


def test_what_is_a_table(tmp_path: Path) -> None:
    manifest = tmp_path / "all"
    assert is_table([Case("/a/b.CSV", "x", "p", 0), Case("/a/c.parquet", "x", "q", 1)], manifest)
    assert is_table([Case(str(manifest.resolve()), "x", "p", 0)], manifest)
    assert not is_table([Case("/a/b.csv", "x", "p", 0), Case("/a/c.png", "x", "q")], manifest)
