"""Score hazards against times and events: concordant pairs, and the partial likelihood.

The C-index is Harrell's (JAMA 1982): the share of comparable pairs in which the case with the higher hazard has its
event first; equal hazards count half. A pair is comparable if one case has an event, and the other is known to have
none until after it: its time is later, or is the same and censored. Two events at the same time are not comparable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def concordance(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> tuple[int, int, int]:
    """The numbers of comparable, concordant and tied pairs, in ``O(n log^2 n)``.

    Cases are numbered by time, with events before cases censored at the same time; an event is comparable with every
    case of a higher number. For two numbers a < b there is exactly one k for which b lies in the block of size 2^k that
    follows a's, where a's block is even. So for each k, cases are sorted by block and hazard, and each event's hazard
    is looked up in the next block.

    Args:
        hazard: ``(n,)``, on any scale.
        time, event: ``(n,)``.
    """
    number = np.unique(2 * np.unique(time, return_inverse=True)[1] + ~event, return_inverse=True)[1]
    rank = np.unique(hazard, return_inverse=True)[1]
    wide = len(time) + 1
    comparable = concordant = tied = 0
    for k in range(int(number.max(initial=0)).bit_length()):
        block = number >> k
        keys = np.sort(block * wide + rank)
        asking = event & (block % 2 == 0)
        first = (block[asking] + 1) * wide
        low, high = np.searchsorted(keys, first), np.searchsorted(keys, first + wide)
        left = np.searchsorted(keys, first + rank[asking])
        right = np.searchsorted(keys, first + rank[asking], "right")
        comparable += int((high - low).sum())
        concordant += int((left - low).sum())
        tied += int((right - left).sum())
    return comparable, concordant, tied


def partial_likelihood(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> float:
    """The negative log partial likelihood, summed over the events: ``sum log sum_{t_j >= t_i} exp(h_j) - h_i``."""
    order = np.argsort(-time, kind="stable")
    hazard, time, event = hazard[order], time[order], event[order]
    if not event.any():
        return 0.0
    last = np.searchsorted(-time, -time, "right") - 1  # index of the last case with the same time
    at_risk = np.logaddexp.accumulate(hazard)[last]
    return float((at_risk - hazard)[event].sum())
