"""Distances in bins, which can be added over sites, and the distance from which on a case is unfamiliar."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from fedgraft.common.merged_bins import merged

BINS = 96
"""Of equal width in the logarithm: six to a doubling, from `LEAST`; the last holds all that is farther."""
LEAST, PER_DOUBLING = 2.0**-6, 6

Counts = tuple[int, ...]


def counted(distances: Tensor) -> Counts:
    """How many distances ``(N,)`` lie in each bin."""
    place = torch.floor(torch.log2(distances.clamp(min=LEAST) / LEAST) * PER_DOUBLING).long().clamp(max=BINS - 1)
    return tuple(torch.bincount(place, minlength=BINS).tolist())


def merged_distances(counts: Sequence[int], least: int) -> Counts:
    """Counts by groups of ``least`` neighbouring cases or more (`fedgraft.common.merged_bins`)."""
    (bins,) = merged([np.repeat(np.arange(BINS), counts)], BINS, least)
    return tuple(np.bincount(bins, minlength=BINS).tolist())


def beyond(counts: Sequence[int], limit: float) -> int:
    """How many counted cases lie beyond a limit that `limit_of` gave."""
    return sum(count for place, count in enumerate(counts) if _start(place) >= limit * (1 - 1e-9))


def limit_of(counts: Sequence[int], share: float) -> float:
    """The least end of a bin beyond which no more than ``share`` of the cases lie, and one more, as of a new case:
    ``(beyond + 1) / (cases + 1) <= share``; infinite if there are too few cases for that.

    Args:
        share: of work of the usual kind that may be flagged, between 0 and 1.
    """
    cases, above = sum(counts), 0
    found = math.inf
    for place in range(BINS - 1, -1, -1):  # the start of each bin, from the farthest
        above += counts[place]
        if (above + 1) / (cases + 1) > share:
            break
        found = _start(place)
    return found


def _start(place: int) -> float:
    return float(LEAST * 2.0 ** (place / PER_DOUBLING))
