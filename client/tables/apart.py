"""Numbers of a site's table that can hardly be true: far from all others of their column.

Each column is compared with itself, by gaps and not by means and deviations: one ``999`` for "not known" among ages
moves both so far that it hides itself, and the column's scale with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.plan.data_sections import TableSection

LEAST = 20
"""The fewest known values of which one can stand apart."""
MOST_SHARE = 0.05
"""Of the known values; more than that are another kind of patient rather than slips."""
LEAST_DIFFERENT = 5
"""The fewest different values among the others: codes and small counts have gaps of their own."""

APART = "values of a column that lie farther from all others than these from each other"
TODO = (
    "correct them, or leave the cells empty if they stand for missing values (a text that does belongs into "
    "table.missing, and into `missing` in site.yaml); in training even one moves the column's mean and scale for all "
    "hospitals"
)

Numbers = NDArray[np.float64]
Mask = NDArray[np.bool_]


def apart(values: Numbers) -> Mask:
    """The values, ``(N,)`` bool, between which and all others is a gap wider than what these span.

    Args:
        values: ``(N,)``, NaN where missing.
    """
    known = np.sort(values[~np.isnan(values)])
    if len(known) < LEAST:
        return np.zeros(len(values), dtype=bool)
    most, low, high = int(MOST_SHARE * len(known)), 0, len(known)
    while True:
        above = _cut(known[low:high], most - low - (len(known) - high))
        if above:
            high -= above
            continue
        below = _cut(-known[low:high][::-1], most - low - (len(known) - high))
        if not below:
            break
        low += below
    found: Mask = (values < known[low]) | (values > known[high - 1])
    return found


def _cut(ordered: Numbers, most: int) -> int:
    """How many of the largest values, at most ``most``, stand apart from the others; 0: none."""
    if most < 1:
        return 0
    tail = ordered[-most - 1 :]
    wide = np.diff(tail) > tail[:-1] - ordered[0]
    for place in np.flatnonzero(wide)[::-1]:  # the fewest first
        number = most - int(place)
        others = ordered[:-number]
        if len(np.unique(others)) >= LEAST_DIFFERENT and not _skewed(others, float(ordered[-number])):
            return number
    return 0


def _skewed(others: Numbers, first: float) -> bool:
    """Whether in logarithms the gap is narrower than the middle four fifths of the positive others: many laboratory
    values have a long tail, and their largest is far from the next."""
    positive = others[others > 0]
    if first <= 0 or not len(positive):
        return False
    low, high = np.quantile(np.log(positive), (0.1, 0.9))
    return bool(np.log(first) - np.log(positive[-1]) <= high - low)


def remark(table: TableSection, numbers: Numbers) -> str | None:
    """A sentence on the values of a site's usable cases that stand apart, which names columns and no case.

    Args:
        numbers: ``(N, columns)`` in the order of ``table.numeric``, NaN where missing.
    """
    counts = {name: int(apart(numbers[:, at]).sum()) for at, name in enumerate(table.numeric)}
    said = [f"{name} {count:,}" for name, count in counts.items() if count]
    if not said:
        return None
    return f"{APART}: {', '.join(said)}: {TODO}"
