"""Counted scores told by groups of neighbouring cases: none of fewer cases than a site releases anything about.

A histogram of fine bins, read through a head that the coordinator chose, gives each case's value of a feature. Here
neighbours in the order of their scores form groups of ``least`` cases or more, and all that is told of a group is how
many cases it has and the mean of their bins. For whoever adds histograms, the cases are spread evenly over the group's
part of the line: thresholds, quantiles and areas come out nearly as from the cases' own scores.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
FEW = 64
"""Of so many cases plain numbers are faster than arrays."""


def merged(sides: Sequence[Counts], size: int, least: int) -> list[Counts]:
    """The bins of cases of each side, merged.

    Groups are taken from the lowest bin upwards; what is left at the end belongs to the last one. A bin that is a group
    by itself stays. The part of any other group reaches halfway to the means of its neighbours, and equally far to the
    other side of its mean where it has none.

    Args:
        sides: the bins of the cases of each side (negatives and positives, or just all), in ``[0, size)``.
        least: the fewest cases of a group, all sides together.

    Returns:
        As many bins for each side, ascending.
    """
    if sum(map(len, sides)) <= FEW:
        return [np.array(one, np.int64) for one in merged_few([side.tolist() for side in sides], size, least)]
    ordered = np.sort(np.concatenate(sides))
    new = np.ones(len(ordered) + 1, np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=new[1:-1])
    first = new.nonzero()[0]
    levels, cases = ordered[first[:-1]], first[1:] - first[:-1]
    group = _groups(cases, least)
    weight = np.bincount(group, cases)
    means = np.bincount(group, cases * levels) / weight + 0.5
    alone = np.bincount(group) == 1
    low, high = _parts(means, size)
    return [_spread(group[np.searchsorted(levels, side)], means, alone, low, high) for side in sides]


def merged_few(sides: Sequence[Sequence[int]], size: int, least: int) -> list[list[int]]:
    """`merged` in plain numbers: the same bins."""
    cases = dict[int, int]()
    for side in sides:
        for level in side:
            cases[level] = cases.get(level, 0) + 1
    groups, held = list[list[int]](), 0  # the levels of each
    for level in sorted(cases):
        if not held:
            groups.append([])
        groups[-1].append(level)
        held += cases[level]
        held = 0 if held >= least else held
    if held and len(groups) > 1:  # what is left belongs to the last group
        groups[-2:] = [groups[-2] + groups[-1]]
    place = {level: number for number, some in enumerate(groups) for level in some}
    ends = _ends(groups, cases, size)
    found = []
    for side in sides:
        counts = [0] * len(groups)
        for level in side:
            counts[place[level]] += 1
        found.append([one for number, count in enumerate(counts) for one in _spread_few(count, *ends[number])])
    return found


def _ends(groups: Sequence[Sequence[int]], cases: Mapping[int, int], size: int) -> list[tuple[float, float]]:
    """The lower and the upper end of each group's part of the line, by the levels of each; of one that is a group by
    itself both are its middle."""
    means = [sum(cases[one] * one for one in some) / sum(cases[one] for one in some) + 0.5 for some in groups]
    between = [(after + before) / 2 for before, after in pairwise(means)]
    low, high = [*means[:1], *between], [*between, *means[-1:]]
    if between:
        low[0], high[-1] = 2 * means[0] - between[0], 2 * means[-1] - between[-1]
    return [
        (mean, mean) if len(some) == 1 else (min(max(start, 0.0), size), min(max(end, 0.0), size))
        for some, mean, start, end in zip(groups, means, low, high, strict=True)
    ]


def _spread_few(count: int, low: float, high: float) -> list[int]:
    """Bins for the cases of one side in a group that reaches from ``low`` to ``high``."""
    return [math.floor(low + (number + 0.5) / count * (high - low)) for number in range(count)]


def _groups(cases: Counts, least: int) -> Counts:
    """The group of each bin, from 0."""
    group, number, held = np.empty(len(cases), np.int64), 0, 0
    for place, count in enumerate(cases.tolist()):
        group[place] = number
        held += count
        if held >= least:
            number, held = number + 1, 0
    if held and number:
        group[group == number] = number - 1
    return group


def _parts(means: NDArray[np.float64], size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower and the upper end of each group's part of the line."""
    between = (means[1:] + means[:-1]) / 2
    low, high = np.append(means[0], between), np.append(between, means[-1])
    if len(means) > 1:
        low[0], high[-1] = 2 * means[0] - between[0], 2 * means[-1] - between[-1]
    return np.minimum(np.maximum(low, 0), size), np.minimum(np.maximum(high, 0), size)


def _spread(
    group: Counts,
    means: NDArray[np.float64],
    alone: NDArray[np.bool_],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> Counts:
    """Bins for the cases of one side, given the group of each."""
    ordered = np.sort(group)
    counts = np.bincount(ordered, minlength=len(means))
    within = np.arange(len(ordered)) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (within + 0.5) / counts[ordered]
    even = low[ordered] + share * (high - low)[ordered]
    found: Counts = np.floor(np.where(alone[ordered], means[ordered], even)).astype(np.int64)
    return found
