"""What a set of cases with times and events says of hazards: concordant pairs, and the partial likelihood.

The C-index is Harrell's (JAMA 1982): of the comparable pairs, the share in which the case with the higher hazard has
its event first; equal hazards count half. A pair is comparable if one case has an event, and the other is known to have
none until later: its time is later, or is the same and censored. Two events at one time are not comparable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def concordance(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Comparable, concordant and tied pairs, in ``O(n log^2 n)``.

    Cases are numbered by time, events before what is censored at the same time. An event is comparable with every case
    of a higher number. Two numbers a < b differ first in one bit: b lies in the block that follows a's, of some size
    2^k. So for each k, the cases are sorted by block and hazard, and each event looks itself up in the next block.

    Args:
        hazard: ``(n,)``, of any scale.
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
    last = np.searchsorted(-time, -time, "right") - 1  # of those at the same time
    at_risk = np.logaddexp.accumulate(hazard)[last]
    return float((at_risk - hazard)[event].sum())
