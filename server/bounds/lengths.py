"""How long an update may be: by the median of its round, and by what its site left unused before."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.server.bounds.allowance import longest

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
        clip, refuse: how many times as long an update may be to stay as it is, and to be used at all; ``None``: any.
        little: what any update may add to a mean, in parts of the reference.
    """

    reference: float
    clip: float | None
    refuse: float | None
    little: float = 0.0

    def ratio(self, norm: float) -> float | None:
        """A norm in parts of the reference."""
        return norm / self.reference if self.reference > 0 else None

    def kept(self, norm: float, unused: float = 0.0, share: float = 1.0, more: float = 1.0) -> float:
        """What is left of an update: 1; less if it is clipped; 0 if it is refused.

        Args:
            unused: what its site has left of earlier rounds (`fedgraft.server.bounds.allowance`).
            share: its share of a mean.
            more: how many times as long it may be because its site has more cases (`longer`).
        """
        free = self.little * self.reference / share
        clipped = min(LONGEST, max(free, more * self.longest(unused)))
        refused = min(LONGEST, max(free, more * self._refused(unused)))
        if norm > refused:
            return 0.0
        return min(1.0, min(clipped, refused) / norm) if norm > 0 else 1.0

    def longest(self, unused: float = 0.0) -> float:
        """The largest norm that stays as it is."""
        if self.clip is None or self.reference <= 0:
            return LONGEST
        return min(LONGEST, longest(self.clip, self.reference, unused))

    def _refused(self, unused: float) -> float:
        if self.refuse is None or self.reference <= 0:
            return LONGEST
        return min(LONGEST, self.refuse * (self.reference if self.clip is None else self.longest(unused) / self.clip))


def measure(norms: Sequence[float], earlier: Norms, bounds: BoundsSection) -> Measure:
    """The measure of a round.

    From three updates on, the reference is their median. Of fewer nobody can say which is the odd one: then the
    shortest is the reference, an update is clipped where it would else be refused, and none is refused, since the round
    could not go on without it.

    From which multiple of it on updates are clipped depends on how much the sites' norms differ: the logarithms of
    honest ones, each less its round's median, have a spread, of which the median deviation tells without regard to a
    few that are far off.

    Args:
        norms: of this round's updates, finite; at least one.
        earlier: of the rounds before.
    """
    if len(norms) < FEW:
        return Measure(min(norms), bounds.refuse or bounds.clip, None, bounds.little)
    return Measure(float(np.median(norms)), _multiple([*earlier, tuple(norms)], bounds), bounds.refuse, bounds.little)


def longer(cases: Sequence[int]) -> list[float]:
    """How many times as long as another's each update may be: a site that has more cases than the median one takes
    more steps, which add up to the root of their number if they have nothing in common, and to their number at most."""
    median = float(np.median(cases))
    return [math.sqrt(max(1.0, some / median)) for some in cases]


def _multiple(rounds: Sequence[Sequence[float]], bounds: BoundsSection) -> float | None:
    if bounds.clip is None or len(rounds[-1]) < SPREAD:
        return bounds.clip
    return min(bounds.clip, max(bounds.least, float(np.exp(bounds.deviations * spread(rounds)))))


def spread(rounds: Sequence[Sequence[float]]) -> float:
    """The median deviation of the logarithms of sizes from their round's median; those that are 0 do not count, and if
    all are, there is none."""
    some = [np.array([size for size in sizes if size > 0]) for sizes in rounds]
    apart = [np.abs(np.log(sizes / np.median(sizes))) for sizes in some if len(sizes)]
    return float(np.median(np.concatenate(apart))) if apart else 0.0


def strays(norms: Sequence[float]) -> set[int]:
    """Of the norms of what gradient steps don't move, the places of those that are beyond anything."""
    median = float(np.median(norms)) if len(norms) >= FEW else 0.0
    longest = min(LONGEST, STRAY * median) if median > 0 else LONGEST
    return {place for place, norm in enumerate(norms) if norm > longest}


def remembered(earlier: Norms, norms: Sequence[float], bounds: BoundsSection) -> Norms:
    """What the next round remembers: the norms of the last rounds, as they were used."""
    return (*earlier, tuple(norms))[-(bounds.rounds - 1) :] if bounds.rounds > 1 else ()
