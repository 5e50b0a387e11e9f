"""How long an update may be: by the median of the sites' norms, in its round and in the run so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.server.bounds.travelled import longest

Norms = tuple[tuple[float, ...], ...]
"""The norms of each of the last rounds, the newest last."""
LONGEST = 1e9
"""A norm that no training comes near, whatever the others send."""
STRAY = 100.0
"""How many times as far as the median site's batch norm's statistics and an alignment's moments may move: scanners
differ, but not so much."""
SPREAD = 5
"""With fewer updates in a round their deviation says too little of how much honest norms differ."""
FEW = 3
"""With fewer updates in a round nobody can tell which of them is the odd one."""


@dataclass(frozen=True)
class Measure:
    """By what a round's norms are judged.

    Attributes:
        reference: the median norm of the round; 0 if there is none to compare with.
        whole: the squares of the median site in the run, this round's included (`fedgraft.server.bounds.travelled`).
        clip, refuse: how many times as long as the median's an update may be to stay as it is, and to be used at all;
            ``None``: any.
        little: what any update may add to a mean, in parts of the median site's.
    """

    reference: float
    whole: float
    clip: float | None
    refuse: float | None
    little: float = 0.0

    def ratio(self, norm: float) -> float | None:
        """A norm in parts of the reference."""
        return norm / self.reference if self.reference > 0 else None

    def kept(self, norm: float, before: float = 0.0, share: float = 1.0) -> float:
        """What is left of an update: 1; less if it is clipped; 0 if it is refused.

        Args:
            before: the squares of the site's earlier updates.
            share: its share of a mean.
        """
        free = self.little * math.sqrt(self.whole) / share
        refused, clipped = (self._longest(multiple, before, free) for multiple in (self.refuse, self.clip))
        if norm > refused:
            return 0.0
        return min(1.0, min(refused, clipped) / norm) if norm > 0 else 1.0

    def _longest(self, multiple: float | None, before: float, free: float) -> float:
        if multiple is None or self.whole <= 0:
            return LONGEST
        return min(LONGEST, max(free, longest(multiple, self.reference, self.whole, before)))


def measure(norms: Sequence[float], before: Sequence[float], earlier: Norms, bounds: BoundsSection) -> Measure:
    """The measure of a round.

    From three updates on, sites are compared with the median one, in this round and in the whole run. Of fewer nobody
    can say which is the odd one: then the shortest is the reference, an update is clipped where it would else be
    refused, and none is refused, since the round could not go on without it.

    From which multiple of it on updates are clipped depends on how much the sites' norms differ: the logarithms of
    honest ones, each less its round's median, have a spread, of which the median deviation tells without regard to a
    few that are far off.

    Args:
        norms: of this round's updates, finite; at least one.
        before: by update, the squares of its site's earlier ones.
        earlier: the norms of the rounds before.
    """
    is_few = len(norms) < FEW
    totals = [norm**2 + square for norm, square in zip(norms, before, strict=True)]
    now, whole = (min(some) if is_few else float(np.median(some)) for some in (norms, totals))
    if is_few:
        return Measure(now, whole, bounds.refuse or bounds.clip, None, bounds.little)
    return Measure(now, whole, _multiple([*earlier, tuple(norms)], bounds), bounds.refuse, bounds.little)


def _multiple(rounds: Sequence[Sequence[float]], bounds: BoundsSection) -> float | None:
    if bounds.clip is None or len(rounds[-1]) < SPREAD:
        return bounds.clip
    return min(bounds.clip, max(bounds.least, float(np.exp(bounds.deviations * spread(rounds)))))


def spread(rounds: Sequence[Sequence[float]]) -> float:
    """The median deviation of the logarithms of sizes from their round's median; those that are 0 do not count."""
    some = [np.array([size for size in sizes if size > 0]) for sizes in rounds]
    return float(np.median(np.concatenate([np.abs(np.log(sizes / np.median(sizes))) for sizes in some if len(sizes)])))


def strays(norms: Sequence[float]) -> set[int]:
    """Of the norms of what gradient steps don't move, the places of those that are beyond anything."""
    median = float(np.median(norms)) if len(norms) >= FEW else 0.0
    longest = min(LONGEST, STRAY * median) if median > 0 else LONGEST
    return {place for place, norm in enumerate(norms) if norm > longest}


def remembered(earlier: Norms, norms: Sequence[float], bounds: BoundsSection) -> Norms:
    """What the next round remembers: the norms of the last rounds, as they were used."""
    return (*earlier, tuple(norms))[-(bounds.rounds - 1) :] if bounds.rounds > 1 else ()
