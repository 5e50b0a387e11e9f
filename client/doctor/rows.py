"""The sections about a table (rows that can't be used, and its columns) and about a manifest's other columns."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.client.doctor.columns import against_plan, column_grid, emptiness, own_columns
from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.refusals import refusal_grid, refusals
from fedgraft.client.doctor.roll import Roll
from fedgraft.client.doctor.section import Section
from fedgraft.client.doctor.table import Rows
from fedgraft.client.facts import USABLE
from fedgraft.client.manifest import Case
from fedgraft.common.schema_data import Table


def describe_rows(roll: Roll, rows: Rows, table: Table | None, least: int, more: tuple[Finding, ...] = ()) -> Section:
    """What was seen of the rows.

    Args:
        rows: of every case of the roll.
        table: the plan's section, if there is a plan.
        least: categories that fewer patients have are not named.
        more: findings that belong here.
    """
    findings = [*refusals(roll.lines, rows.verdicts, "row")]
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
    grids = [refusal_grid(rows.verdicts, "row")] if (rows.verdicts != USABLE).any() else []
    if rows.columns:
        patients = [roll.cases[at].patient for at in rows.readable]
        grids.append(column_grid(rows.columns, patients, table, least))
    return Section("table", (*findings, *more), tuple(grids))


def describe_columns(listed: Sequence[Case], least: int) -> Section:
    """The other columns of a manifest of images, by line."""
    columns = own_columns(listed)
    grid = column_grid(columns, [case.patient for case in listed], None, least)
    return Section("columns", tuple(emptiness(columns, (), learnt=False)), (grid,) if columns else ())
