"""A table's columns, or a manifest's other columns: missing values, vocabularies, columns without information."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from fedgraft.client.check.formatting import count_of, lines_of, number_of, share, shown
from fedgraft.client.check.report import Finding, Grid
from fedgraft.client.cohort.case import Case
from fedgraft.client.tables.apart import APART, TODO, apart
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import CellError, read_row

MOST_MISSING = 0.5
MOST_COLUMNS = 60
MOST_VOCABULARY = 50
MOST_NAMED = 10
MOST_CATEGORIES = 3
FAR = 3.0
"""Distance of this site's median from the plan's mean, in the plan's standard deviations, beyond which the column
probably has another unit rather than other patients."""
Columns = Mapping[str, Sequence[str]]
"""Cells by column name, one per case."""


def own_columns(cases: Sequence[Case]) -> dict[str, list[str]]:
    """The manifest's other columns; every line has the same."""
    names = [name for name, _ in cases[0].columns] if cases else []
    return {name: [case.columns[at][1] for case in cases] for at, name in enumerate(names)}


def against_plan(columns: Columns, lacking: Sequence[str], table: TableSection) -> Iterator[Finding]:
    """Check that the plan's columns exist and hold values of the plan's kind.

    Args:
        lacking: columns of the plan that do not exist here.
    """
    if lacking:
        text = f"the plan's table section names column(s) that are not there: {_some(lacking)}"
        yield Finding("problem", "columns", text, "add them, under these names, to the table or the manifest")
    else:
        number = len(table.numeric) + len(table.categorical)
        yield Finding("ok", "columns", f"all {count_of(number, 'column')} of the plan are there")
    absent = frozenset(table.missing)
    known = {name: [cell for cell in cells if not is_missing(cell, absent)] for name, cells in columns.items()}
    bad = {name: sum(not is_number(cell) for cell in known.get(name, ())) for name in table.numeric}
    if any(bad.values()):
        counts = [f"{shown(name)} {count:,}" for name, count in bad.items() if count]
        text = f"cells that are no numbers where the plan says numeric: {_some(counts)}"
        yield Finding("warning", "columns", text, "their cases are quarantined as bad-value, see above")
    yield from _units(known, table)
    for name in table.categorical:
        yield from _vocabulary(name, known.get(name, ()), table)


def emptiness(columns: Columns, absent: Collection[str], learnt: bool) -> Iterator[Finding]:
    """Findings on missing values and on columns with a single value.

    Args:
        absent: words for a missing value, besides an empty cell.
        learnt: whether the model learns from the columns, so that a useless one is worth a warning.
    """
    known = {name: [cell for cell in cells if not is_missing(cell, absent)] for name, cells in columns.items()}
    sparse = [name for name, cells in columns.items() if len(known[name]) < (1 - MOST_MISSING) * len(cells)]
    constant = [name for name in columns if name not in sparse and len(set(known[name])) == 1]
    if sparse:
        text = f"more than half of the values are missing in {_some(sparse)}"
        yield Finding("warning", "missing values", text, "leave the column out, or find out why it is empty")
    if constant:
        text, todo = f"only one value in {_some(constant)}", "nothing can be learnt from it at this site"
        yield Finding("warning", "constant columns", text, todo) if learnt else Finding("ok", "constant columns", text)
    if not sparse:
        cells = sum(map(len, columns.values()))
        missing = cells - sum(map(len, known.values()))
        text = f"{share(missing, cells)} of the cells of {count_of(len(columns), 'column')}"
        yield Finding("ok", "missing values", text)


def far_values(columns: Columns, lines: Sequence[int], absent: Collection[str]) -> Iterator[Finding]:
    """A finding on numbers that stand apart from all others of their column: slips, and marks for a missing value.

    Args:
        lines: the manifest's line of each case.
    """
    found = []
    for name, cells in columns.items():
        numbers = [float(cell) if is_number(cell) and not is_missing(cell, absent) else math.nan for cell in cells]
        places = np.flatnonzero(apart(np.array(numbers))).tolist()
        if places:
            found.append(f"{shown(name)} {len(places):,} ({lines_of([lines[at] for at in places])} of the manifest)")
    if found:
        yield Finding("warning", "far values", f"{APART}: {'; '.join(found)}", TODO)


def column_grid(columns: Columns, patients: Sequence[str], table: TableSection | None, least: int) -> Grid:
    """Each column's kind, missing values, number of distinct values, and a summary of them.

    Args:
        patients: the patient of each case.
        least: fewest patients for which a category is named; a rarer one could be a person's name.
    """
    rows = [_row(name, cells, patients, table, least) for name, cells in list(columns.items())[:MOST_COLUMNS]]
    more = "" if len(columns) <= MOST_COLUMNS else f" (the first {MOST_COLUMNS} of {len(columns):,})"
    header = ("column", "kind", "missing", "different values", "median (quartiles), or most frequent")
    return Grid(f"columns{more}", header, tuple(rows))


def is_missing(cell: str, absent: Collection[str]) -> bool:
    """An empty cell, or one of the plan's ``table.missing``."""
    return not cell.strip() or cell.strip() in absent


def is_number(cell: str) -> bool:
    """Whether a run would read the cell as a number (`fedgraft.common.tables.encoding`)."""
    try:
        read_row(_ONE_NUMBER, {"": cell})
    except CellError:
        return False
    return True


_ONE_NUMBER = TableSection(("",), (), missing=(), indicate_missing=False, statistics="federated", min_count=1)


def _units(known: Columns, table: TableSection) -> Iterator[Finding]:
    """Findings on medians that are far from the plan's means."""
    far = []
    for name in table.numeric if table.statistics == "plan" else ():
        numbers = [float(cell) for cell in known.get(name, ()) if is_number(cell)]
        if not numbers:
            continue
        median = float(np.median(numbers))
        if abs(median - table.means[name]) > FAR * table.deviations[name]:
            far.append(f"{shown(name)} {number_of(median)} instead of {number_of(table.means[name])}")
    if far:
        text = f"the median is more than {FAR:g} of the plan's deviations from its mean: {_some(far)}"
        yield Finding("warning", "units", text, "is it another unit here?")


def _vocabulary(name: str, known: Sequence[str], table: TableSection) -> Iterator[Finding]:
    vocabulary = set(table.vocabulary.get(name, ()))
    strange = sum(cell not in vocabulary for cell in known) if vocabulary else 0
    if strange:
        text = f"{strange:,} of {len(known):,} values of {shown(name)} are not in the plan's vocabulary"
        yield Finding("warning", "vocabulary", text, "are they written otherwise here? They all count as one category")
    words = len(set(known))
    if words > MOST_VOCABULARY:
        text = f"{shown(name)} has {words:,} different values, and the plan says categorical"
        yield Finding("warning", "vocabulary", text, "group them into fewer, or leave the column out of the plan")


def _row(
    name: str, cells: Sequence[str], patients: Sequence[str], table: TableSection | None, least: int
) -> tuple[str, ...]:
    absent = frozenset(table.missing) if table is not None else frozenset()
    there = [(cell, who) for cell, who in zip(cells, patients, strict=True) if not is_missing(cell, absent)]
    words = {cell for cell, _ in there}
    if table is not None and name in (*table.numeric, *table.categorical):
        kind = "numeric" if name in table.numeric else "categorical"
    else:
        kind = "empty" if not there else "numbers" if all(map(is_number, words)) else "text"
    missing = len(cells) - len(there)
    numbers = [float(cell) for cell, _ in there if is_number(cell)] if kind in ("numeric", "numbers") else []
    about = _quartiles(numbers) if len(numbers) >= least and len(words) > 2 else _categories(there, least)
    return shown(name), kind, f"{missing:,} ({share(missing, len(cells))})", f"{len(words):,}", about


def _quartiles(numbers: Sequence[float]) -> str:
    low, middle, high = np.quantile(numbers, (0.25, 0.5, 0.75))
    return f"{number_of(middle)} ({number_of(low)} to {number_of(high)})"


def _categories(there: Sequence[tuple[str, str]], least: int) -> str:
    patients = Counter(cell for cell, _ in set(there))
    most = [(cell, n) for cell, n in Counter(cell for cell, _ in there).most_common() if patients[cell] >= least]
    return ", ".join(f"{shown(cell)}: {share(n, len(there))}" for cell, n in most[:MOST_CATEGORIES])


def _some(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(map(shown, names[:MOST_NAMED])) + (f" and {more} more" if more > 0 else "")
