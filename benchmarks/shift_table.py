"""The cells of `shift.py` as tables in Markdown: one a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

import numpy as np
from shift_found import AtSite, Cell, Column
from shift_rows import SETS, Row

from fedgraft.simulations.study.figures import Difference, difference

COLUMNS = {"own": "own", "other": "another's", "held": "held-out"}
BySeed = Mapping[int, Cell]
Pair = tuple[Column, Column]


def tables(cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """For each data set, in the order of `SETS`, the rows of the exact head, and those that are trained by steps."""
    found = []
    for name in SETS:
        here = [cell for cell in cells if cell.data == name]
        found += [
            table(name, list(SETS[name].reads), here, [row for row in rows if row.fitted]),
            table(f"{name}, trained", ["trained"], here, [row for row in rows if not row.fitted]),
        ]
    return "\n\n".join(text for text in found if text)


def table(title: str, places: Sequence[str], cells: Sequence[Cell], rows: Sequence[Row]) -> str:
    """A row a part, and for each place where the network is read the columns; empty if there is no cell."""
    reads = [read for read in places if any(cell.read == read for cell in cells)]
    lines = []
    for row in rows:
        texts, seeds = [], set()
        for read in reads:
            mine, base = (_of(cells, read, wanted) for wanted in (row.name, row.base or row.name))
            seeds |= {seed for seed, cell in mine.items() if cell.columns}
            texts += [_text(column, row, mine, base) for column in COLUMNS]
        if seeds:
            lines.append(f"| {row.name} | {' | '.join(texts)} | {len(seeds)} |")
    if not lines:
        return ""
    heads = [f"{read}: {words}" for read in reads for words in COLUMNS.values()]
    return "\n".join(
        (f"**{title}**", "", f"| part | {' | '.join(heads)} | seeds |", f"|{'---|' * (len(heads) + 2)}", *lines)
    )


def _of(cells: Sequence[Cell], read: str, row: str) -> BySeed:
    return {cell.seed: cell for cell in cells if cell.row == row and cell.read == read}


def _text(column: str, row: Row, mine: BySeed, base: BySeed) -> str:
    """The mean, and the mean of the worst site by seed; of a part its difference to its base, bold where the interval
    does not hold 0; where it is meant for probabilities, the log loss before and after."""
    known = [one for cell in mine.values() if (one := cell.columns.get(column))]
    if not known:
        return ""
    if row.base is None:
        return f"{fmean(map(_mean, known)):.3f} ({fmean(min(s.auroc for s in one.values()) for one in known):.3f})"
    pairs = list(_pairs(column, mine, base))
    if not pairs:
        return ""
    shared = SETS[next(iter(mine.values())).data].shared
    found = compared(pairs, 1.0 if column == "held" and shared else shared)
    assert found.mean is not None and found.low is not None and found.high is not None
    mark = "**" if found.low > 0 or found.high < 0 else ""
    text = f"{mark}{found.mean:+.3f}{mark} [{found.low:+.3f}, {found.high:+.3f}]"
    if row.own_bias or row.prevalence:
        before, after = (fmean(fmean(s.loss for s in pair[at].values()) for pair in pairs) for at in (1, 0))
        text += f"; log loss {before:.2f} to {after:.2f}"
    return text


def _mean(column: Column) -> float:
    return fmean(site.auroc for site in column.values())


def _pairs(column: str, mine: BySeed, base: BySeed) -> Iterator[Pair]:
    for seed in sorted({*mine} & {*base}):
        one, other = (cell.columns.get(column, {}) for cell in (mine[seed], base[seed]))
        sites = [site for site in one if site in other and len(one[site].moves) == len(other[site].moves)]
        if sites:
            yield {site: one[site] for site in sites}, {site: other[site] for site in sites}


def compared(pairs: Sequence[Pair], shared: float) -> Difference:
    """Over seeds, of the mean over sites; with one seed the interval is over test cases alone."""
    values = [fmean(one[site].auroc - other[site].auroc for site in one) for one, other in pairs]
    variances = [math.fsum(map(_variance, one.values(), other.values())) / len(one) ** 2 for one, other in pairs]
    found = difference(values, variances, shared)
    if found.low is not None:
        return found
    half = 1.96 * math.sqrt(variances[0])
    return Difference(values[0], values[0] - half, values[0] + half, found.values)


def _variance(one: AtSite, other: AtSite) -> float:
    """Of the difference at a site over samples of its cases (DeLong et al. 1988, equation 5)."""
    moved = (np.array(one.moves) - np.array(other.moves)) / 1e6
    return float(moved @ moved)
