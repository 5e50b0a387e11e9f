"""How long an update may be: by the median of the norms of this and earlier rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.plan.bounds_section import BoundsSection

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
        reference: the median norm; 0 if there is none to compare with.
        clip, refuse: the largest norm that stays as it is, and that is used at all.
        little: what any update may add to a mean, as a norm.
    """

    reference: float
    clip: float
    refuse: float
    little: float = 0.0

    def ratio(self, norm: float) -> float | None:
        """A norm in parts of the reference."""
        return norm / self.reference if self.reference > 0 else None

    def kept(self, norm: float, share: float = 1.0) -> float:
        """What is left of an update: 1; less if it is clipped; 0 if it is refused.

        Args:
            share: its share of a mean.
        """
        free = min(LONGEST, self.little / share)
        if norm > max(self.refuse, free):
            return 0.0
        longest = max(self.clip, free)
        return 1.0 if norm <= longest else longest / norm


def measure(norms: Sequence[float], earlier: Norms, bounds: BoundsSection) -> Measure:
    """The measure of a round.

    From three updates on, the reference is the median over them and the rounds before, or this round's own if that is
    larger, since a part of the loss that sets in later moves all sites; what is refused is too long for this round's,
    since norms fall from round to round as rates do. Of fewer nobody can say which is the odd one: then the shortest is
    the reference (the median of each round's shortest, or this round's), an update is clipped where it would else be
    refused, and none is refused, since the round could not go on without it.

    From which multiple of it on updates are clipped depends on how much the sites' norms differ: the logarithms of
    honest ones, each less its round's median, have a spread, of which the median deviation tells without regard to a
    few that are far off.

    Args:
        norms: of this round's updates, finite; at least one.
        earlier: of the rounds before.
    """
    rounds = [*earlier, tuple(norms)]
    is_few = len(norms) < FEW
    pool = [min(some) for some in rounds if some] if is_few else [norm for some in rounds for norm in some]
    now = min(norms) if is_few else float(np.median(norms))
    reference = max(now, float(np.median(pool)))
    if reference <= 0:
        return Measure(0.0, LONGEST, LONGEST)
    clip, refuse = (bounds.refuse or bounds.clip, None) if is_few else (_multiple(rounds, bounds), bounds.refuse)
    longest = LONGEST if refuse is None else min(LONGEST, refuse * (now or reference))
    highest = longest if clip is None else min(longest, clip * reference)
    return Measure(reference, highest, longest, bounds.little * reference)


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
