"""Check a cohort of rows: the plan's columns, or without a plan all columns, of the manifest and its tables."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.sections.columns import against_plan, column_grid, emptiness, far_values, own_columns
from fedgraft.client.check.sections.quarantine import refusal_grid, refusals
from fedgraft.client.cohort.case import PARQUET, Case
from fedgraft.client.cohort.manifest.lines import KNOWN
from fedgraft.client.cohort.quarantine import USABLE, CaseError, number_of
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.common.plan.data_sections import TableSection

MOST_COLUMNS = 200
"""Most columns of the tables that are checked without a plan."""


@dataclass(frozen=True)
class Rows:
    """The cells of a table that could be read.

    Attributes:
        verdicts: ``(N,)`` uint8: 0 for a usable case, else the number of the reason why a run can't use it.
        readable: positions of the cases whose cells could be read, whatever they hold.
        columns: cells of the readable cases by column name, stripped.
        lacking: columns of the plan that a readable file lacks; ``verdicts`` and ``columns`` ignore them.
    """

    verdicts: NDArray[np.uint8]
    readable: tuple[int, ...]
    columns: dict[str, list[str]]
    lacking: tuple[str, ...] = ()


def is_table(cases: Sequence[Case], manifest: Path) -> bool:
    """Whether all cases are rows of the manifest itself or of table files, judged by the files' names."""
    itself = str(manifest.parent.resolve() / manifest.name)
    return all(case.path == itself or case.in_a_table for case in cases)


def look_at_rows(cases: Sequence[Case], table: TableSection | None, files: TableFiles) -> Rows:
    """Read every row as a run would, with the manifest's other columns.

    Args:
        cases: at least one.
        table: the plan's section, if there is a plan.

    Raises:
        DataError: a file names one of the columns twice.
    """
    wanted = _all_columns(cases) if table is None else (*table.numeric, *table.categorical)
    lacking = _lacking(cases, wanted, files)
    own = (name for name, _ in cases[0].columns)  # the same in every line of a manifest
    names = tuple(dict.fromkeys((*(name for name in wanted if name not in lacking), *own)))
    text = TableInputs(_as_text(names), files)
    if table is None:
        verdicts = np.maximum(text.verdicts(cases), _row_verdicts(cases, files))
        readable = np.flatnonzero(verdicts == USABLE)
    else:
        verdicts = TableInputs(without(table, lacking), files).verdicts(cases)
        readable = np.flatnonzero(text.verdicts(cases) == USABLE)
    places: list[int] = readable.tolist()
    rows = [row.texts for row in text.rows([cases[at] for at in places])]
    columns = {name: [row[at] for row in rows] for at, name in enumerate(names)}
    return Rows(verdicts, tuple(places), columns, () if table is None else lacking)


def without(table: TableSection, lacking: Sequence[str]) -> TableSection:
    """The plan's section without some of its columns."""
    numeric = tuple(name for name in table.numeric if name not in lacking)
    return replace(table, numeric=numeric, categorical=tuple(n for n in table.categorical if n not in lacking))


def _as_text(names: tuple[str, ...]) -> TableSection:
    """A section that takes every cell as text."""
    return TableSection((), names, missing=(), indicate_missing=False, statistics="federated", min_count=1)


def _lacking(cases: Sequence[Case], wanted: Sequence[str], files: TableFiles) -> tuple[str, ...]:
    own = {name for name, _ in cases[0].columns}
    elsewhere = tuple(name for name in wanted if name not in own)
    found: dict[str, None] = {}
    for path in dict.fromkeys(case.path for case in cases) if elsewhere else ():
        try:
            held = files.read(Path(path), elsewhere).names
        except CaseError:
            continue  # its columns are unknown, and its rows are quarantined
        found |= dict.fromkeys(name for name in elsewhere if name not in held)
    return tuple(found)


def _row_verdicts(cases: Sequence[Case], files: TableFiles) -> NDArray[np.uint8]:
    """Verdicts without a plan: whether each case's row exists."""
    return np.array([_row_verdict(case, files) for case in cases], np.uint8)


def _row_verdict(case: Case, files: TableFiles) -> int:
    if not case.in_a_table:
        return USABLE  # a row of the manifest itself, which has been read
    try:
        rows = files.read(Path(case.path), ()).rows
    except CaseError as error:
        return number_of(error.reason)
    if case.row is None or not 0 <= case.row < len(rows):
        return number_of("no-row")
    return USABLE if rows[case.row] is not None else number_of("inconsistent")


def _all_columns(cases: Sequence[Case]) -> tuple[str, ...]:
    paths = dict.fromkeys(case.path for case in cases)
    names = dict.fromkeys(name for path in paths for name in _header(Path(path)) if name not in KNOWN)
    return tuple(names)[:MOST_COLUMNS]


def _header(path: Path) -> Sequence[str]:
    """The names in a file's first line; none if it can't be read."""
    import pyarrow as pa  # imported only if there is a table
    from pyarrow import parquet

    try:
        if path.suffix.lower() in PARQUET:
            return list(parquet.read_schema(path).names)
        with path.open(newline="", encoding="utf-8-sig") as stream:
            return next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException):
        return []


def describe_rows(
    case_table: CaseTable, rows: Rows, table: TableSection | None, least: int, more: tuple[Finding, ...] = ()
) -> Section:
    """The section on rows.

    Args:
        rows: rows of every case of the case table.
        table: the plan's section, if there is a plan.
        least: fewest patients for which a category is named.
        more: further findings of this section.
    """
    findings = [*refusals(case_table.lines, rows.verdicts, "row")]
    if table is not None:
        findings += against_plan(rows.columns, rows.lacking, table)
    absent = () if table is None else table.missing
    used = {
        name: cells
        for name, cells in rows.columns.items()
        if table is None or name in table.numeric or name in table.categorical
    }
    if used:
        findings += emptiness(used, absent, learnt=True)
        findings += far_values(used, [case_table.lines[at] for at in rows.readable], absent)
    grids = [refusal_grid(rows.verdicts, "row")] if (rows.verdicts != USABLE).any() else []
    if rows.columns:
        patients = [case_table.cases[at].patient for at in rows.readable]
        grids.append(column_grid(rows.columns, patients, table, least))
    return Section("table", (*findings, *more), tuple(grids))


def describe_columns(listed: Sequence[Case], least: int, more: tuple[Finding, ...] = ()) -> Section:
    """The section on the other columns of a manifest of images, by line; ``more``: further findings."""
    columns = own_columns(listed)
    grid = column_grid(columns, [case.patient for case in listed], None, least)
    return Section("columns", (*emptiness(columns, (), learnt=False), *more), (grid,) if columns else ())
