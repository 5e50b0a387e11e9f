"""A table's columns, or a manifest's other columns: missing values, vocabularies, columns that say nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.section import Grid, Section
from fedgraft.client.doctor.shown import count_of, lines_of, share, shown
from fedgraft.client.manifest import Case
from fedgraft.common.schema_data import Table

MOST_MISSING = 0.5
MOST_COLUMNS = 60
MOST_VOCABULARY = 50
Columns = Mapping[str, Sequence[str | None]]
"""By name: one cell per case, ``None`` where the case has no such column."""


def own_columns(cases: Sequence[Case]) -> dict[str, list[str | None]]:
    """The manifest's other columns."""
    names = dict.fromkeys(name for case in cases for name, _ in case.columns)
    cells = [dict(case.columns) for case in cases]
    return {name: [one.get(name) for one in cells] for name in names}


def describe_columns(columns: Columns, lines: Sequence[int], table: Table | None) -> Section:
    """Look at every column.

    Args:
        lines: of the manifest, one per case.
        table: the plan's section, if the cohort is a table: then its columns must be there and of their kind.
    """
    absent = frozenset(table.missing) if table is not None else frozenset()
    findings = [] if table is None else list(_against(columns, lines, table, absent))
    findings += _emptiness(columns, absent)
    rows = [_row(name, cells, table, absent) for name, cells in list(columns.items())[:MOST_COLUMNS]]
    more = "" if len(columns) <= MOST_COLUMNS else f" (the first {MOST_COLUMNS} of {len(columns):,})"
    grid = Grid(f"columns{more}", ("column", "kind", "missing", "different values"), tuple(rows))
    return Section("columns", tuple(findings), (grid,) if rows else ())


def is_missing(cell: str | None, absent: frozenset[str]) -> bool:
    """An empty cell, or one of the plan's ``table.missing``."""
    return cell is None or not cell.strip() or cell.strip() in absent


def _against(columns: Columns, lines: Sequence[int], table: Table, absent: frozenset[str]) -> Iterator[Finding]:
    lacking = [name for name in (*table.numeric, *table.categorical) if name not in columns]
    if lacking:
        text = f"the plan's table section names column(s) that are not there: {', '.join(map(shown, lacking))}"
        yield Finding("problem", "columns", text, "add them, under these names, to the table or the manifest")
    bad = {
        line
        for name in table.numeric
        for line, cell in zip(lines, columns.get(name, ()), strict=False)
        if not is_missing(cell, absent) and not _is_number(cell or "")
    }
    if bad:
        where = f"{lines_of(sorted(bad))} of the manifest"
        yield Finding(
            "problem",
            "columns",
            f"{count_of(len(bad), 'case')} with text where the plan says numeric; {where}",
            "correct the cells; a mark for a missing value belongs into the plan's table.missing",
        )
    for name in table.categorical:
        known = set(table.vocabulary.get(name, ()))
        cells = [cell for cell in columns.get(name, ()) if not is_missing(cell, absent)]
        strange = sum((cell or "").strip() not in known for cell in cells) if known else 0
        if strange:
            text = f"{strange:,} of {len(cells):,} values of {shown(name)} are not in the plan's vocabulary"
            yield Finding("warning", "columns", text, "are they written otherwise here? They all count as one category")
        words = len(set(cells))
        if words > MOST_VOCABULARY:
            text = f"{shown(name)} has {words:,} different values, and the plan says categorical"
            yield Finding("warning", "columns", text, "group them into fewer, or leave the column out of the plan")
    if not lacking and not bad:
        number = len(table.numeric) + len(table.categorical)
        yield Finding("ok", "columns", f"all {count_of(number, 'column')} of the plan are there")


def _emptiness(columns: Columns, absent: frozenset[str]) -> Iterator[Finding]:
    if not columns:
        yield Finding("ok", "columns", "the manifest has no other columns")
        return
    missing = {name: sum(is_missing(cell, absent) for cell in cells) for name, cells in columns.items()}
    sparse = [name for name, cells in columns.items() if missing[name] > MOST_MISSING * len(cells)]
    constant = [
        name
        for name, cells in columns.items()
        if name not in sparse and len({(cell or "").strip() for cell in cells if not is_missing(cell, absent)}) == 1
    ]
    if sparse:
        text = f"more than half of the values are missing in {_some(sparse)}"
        yield Finding("warning", "missing values", text, "leave the column out, or find out why it is empty")
    if constant:
        text = f"only one value in {_some(constant)}"
        yield Finding("warning", "constant columns", text, "nothing can be learnt from it at this site")
    if not sparse and not constant:
        cells = sum(len(one) for one in columns.values())
        text = f"{share(sum(missing.values()), cells)} of the cells of {count_of(len(columns), 'column')}"
        yield Finding("ok", "missing values", text)


def _row(name: str, cells: Sequence[str | None], table: Table | None, absent: frozenset[str]) -> tuple[str, ...]:
    there = [(cell or "").strip() for cell in cells if not is_missing(cell, absent)]
    if table is not None and name in table.numeric:
        kind = "numeric"
    elif table is not None and name in table.categorical:
        kind = "categorical"
    else:
        kind = "numbers" if there and all(map(_is_number, there)) else "text" if there else "empty"
    missing = len(cells) - len(there)
    return shown(name), kind, f"{missing:,} ({share(missing, len(cells))})", f"{len(Counter(there)):,}"


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(shown, names[:10])) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
