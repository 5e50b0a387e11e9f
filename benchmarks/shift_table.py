"""The cells of `shift.py` as tables in Markdown: one a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import fmean

import numpy as np
from shift_found import AtSite, Cell
from shift_rows import SETS, Row

from fedgraft.simulations.study.figures import Difference, difference

COLUMNS = {"own": "own site", "other": "another's", "held": "held-out"}


def tables(cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """A table a data set, in the order of `SETS`."""
    return "\n\n".join(text for name in SETS if (text := table(name, [c for c in cells if c.data == name], rows)))


def table(name: str, cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """Markdown; empty if there is no cell."""
    lines = []
    for read in dict.fromkeys(cell.read for cell in cells):
        here = [cell for cell in cells if cell.read == read]
        for row in rows:
            mine = {cell.seed: cell for cell in here if cell.row == row.name}
            base = {cell.seed: cell for cell in here if cell.row == (row.base or row.name)}
            if mine:
                lines.append(_line(name, read, row, mine, base))
    if not lines:
        return ""
    heads = [f"{title}: mean, worst" if at == "own" else f"{title}: mean" for at, title in COLUMNS.items()]
    columns = (
        "read",
        "part",
        *(one for head in heads for one in (head, "difference")),
        "log loss: own, held-out",
        "seeds",
    )
    return "\n".join((f"**{name}**", "", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *lines))


def _line(name: str, read: str, row: Row, mine: dict[int, Cell], base: dict[int, Cell]) -> str:
    done = [seed for seed, cell in sorted(mine.items()) if cell.columns]
    cells = [read, row.name]
    if not done:
        return f"| {read} | {row.name} | {next(iter(mine.values())).note} |" + " |" * 6
    for column in COLUMNS:
        found = [mine[seed].columns.get(column) for seed in done]
        known = [one for one in found if one]
        text = f"{fmean(mean(one) for one in known):.3f}" if known else ""
        if known and column == "own":
            text += f", {fmean(min(site.auroc for site in one.values()) for one in known):.3f}"
        cells += [text, _difference(name, column, mine, base) if known and row.base else ""]
    cells += [_losses(mine, base, row), str(len(done))]
    return f"| {' | '.join(cells)} |"


def mean(column: object) -> float:
    return fmean(site.auroc for site in column.values())  # type: ignore[attr-defined]


def _difference(name: str, column: str, mine: dict[int, Cell], base: dict[int, Cell]) -> str:
    pairs = list(_pairs(column, mine, base))
    if not pairs:
        return ""
    found = compared(pairs, 1.0 if column == "held" and SETS[name].shared else SETS[name].shared)
    return f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


Pair = tuple[dict[str, AtSite], dict[str, AtSite]]


def _pairs(column: str, mine: dict[int, Cell], base: dict[int, Cell]) -> Iterator[Pair]:
    for seed in sorted({*mine} & {*base}):
        one, other = (cell.columns.get(column, {}) for cell in (mine[seed], base[seed]))
        sites = [site for site in one if site in other and len(one[site].moves) == len(other[site].moves)]
        if sites:
            yield {site: one[site] for site in sites}, {site: other[site] for site in sites}


def compared(pairs: Sequence[Pair], shared: float) -> Difference:
    """Over seeds, of the mean over sites; with one seed the interval is over test cases alone."""
    values, variances = [], []
    for one, other in pairs:
        values.append(fmean(one[site].auroc - other[site].auroc for site in one))
        moved = [(np.array(one[site].moves) - np.array(other[site].moves)) / 1e6 for site in one]
        variances.append(math.fsum(float(each @ each) for each in moved) / len(one) ** 2)
    found = difference(values, variances, shared)
    if found.low is None:
        half = 1.96 * math.sqrt(variances[0])
        return Difference(found.mean, values[0] - half, values[0] + half, found.values)
    return found


def _losses(mine: dict[int, Cell], base: dict[int, Cell], row: Row) -> str:
    texts = []
    for column in ("own", "held"):
        known = [fmean(s.loss for s in one.values()) for cell in mine.values() if (one := cell.columns.get(column))]
        texts.append(f"{fmean(known):.3f}" if known else "–")
    return ", ".join(texts)
