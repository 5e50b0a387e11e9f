"""Score hazards against times and events: concordant pairs, and the partial likelihood.

The C-index is Harrell's (JAMA 1982): the share of comparable pairs in which the case with the higher hazard has its
event first; equal hazards count half. A pair is comparable if one case has an event, and the other is known to have
none until after it: its time is later, or is the same and censored. Two events at the same time are not comparable.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


class CasePairs(NamedTuple):
    """Of each case, ``(n,)``: the comparable, concordant and tied pairs that it is in, as the earlier or the later."""

    comparable: Counts
    concordant: Counts
    tied: Counts

    @property
    def totals(self) -> tuple[int, int, int]:
        """Comparable, concordant and tied pairs; each is counted at both of its cases."""
        comparable, concordant, tied = (int(one.sum()) // 2 for one in self)
        return comparable, concordant, tied

    @property
    def squares(self) -> tuple[float, float, float]:
        """With a case's comparable pairs ``b`` and those that are ranked right ``a`` (ties half): the sums over cases
        of ``a a``, ``a b`` and ``b b``. They add up over sites."""
        right = self.concordant + self.tied / 2
        found = (right * right, right * self.comparable, self.comparable.astype(float) ** 2)
        return math.fsum(found[0]), math.fsum(found[1]), math.fsum(found[2])


def variance(c_index: float, comparable: int, squares: tuple[float, float, float]) -> float:
    """Of a C-index over cases drawn anew: ``sum (a - C b)^2 / comparable^2``, with `CasePairs.squares`.

    Pencina & D'Agostino (Stat. Med. 2004), after Noether (1967), as the infinitesimal jackknife, which holds for any
    share of pairs: how far the C-index moves if a case weighs a little more (R's ``survival::concordance``).
    """
    aa, ab, bb = squares
    return max(0.0, aa - 2 * c_index * ab + c_index**2 * bb) / comparable**2


def concordance(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> CasePairs:
    """The pairs of each case, in ``O(n log^2 n)``.

    Cases are numbered by time, with events before cases censored at the same time; an event is comparable with every
    case of a higher number. For two numbers a < b there is exactly one k for which b lies in the block of size 2^k that
    follows a's, where a's block is even. So for each k, cases are sorted by block and hazard; each event's hazard is
    looked up in the next block, and that of each case of an odd block among the events of the one before.

    Args:
        hazard: ``(n,)``, on any scale.
        time, event: ``(n,)``.
    """
    number = np.unique(2 * np.unique(time, return_inverse=True)[1] + ~event, return_inverse=True)[1]
    rank = np.unique(hazard, return_inverse=True)[1]
    wide = len(time) + 1
    found = CasePairs(*np.zeros((3, len(time)), np.int64))
    for k in range(int(number.max(initial=0)).bit_length()):
        block = number >> k
        keys = block * wide + rank
        for asking, asked, there in (
            (event & (block % 2 == 0), np.sort(keys), 1),
            (block % 2 == 1, np.sort(keys[event]), -1),
        ):
            first = (block[asking] + there) * wide
            low, high = np.searchsorted(asked, first), np.searchsorted(asked, first + wide)
            left = np.searchsorted(asked, first + rank[asking])
            right = np.searchsorted(asked, first + rank[asking], "right")
            found.comparable[asking] += high - low
            found.concordant[asking] += left - low if there == 1 else high - right
            found.tied[asking] += right - left
    return found


def partial_likelihood(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> float:
    """The negative log partial likelihood, summed over the events: ``sum log sum_{t_j >= t_i} exp(h_j) - h_i``."""
    order = np.argsort(-time, kind="stable")
    hazard, time, event = hazard[order], time[order], event[order]
    if not event.any():
        return 0.0
    last = np.searchsorted(-time, -time, "right") - 1  # index of the last case with the same time
    at_risk = np.logaddexp.accumulate(hazard)[last]
    return float((at_risk - hazard)[event].sum())
