"""Who takes part now: the set of a part's patients that is far enough from all sets that took part before.

New patients wait until ``least`` of them have gathered, those of each stratum (the label, in training) by themselves.
A patient who is withdrawn goes at once; others, drawn by the site's secret, rest with that patient until so many more
were withdrawn or have come that nobody can be told from the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.account.combinations import Members, Owners, tells_of_few

DRAWS = 12
"""How often resting patients are drawn anew for each number of them, if some combination would still tell."""

Order = Callable[[int, int], float]
"""``order(draw, patient)``: from 0 to 1, by the site's secret; the first rest."""


@dataclass(frozen=True)
class Past:
    """The lines that the account knows, and the sets of one part that took part.

    Attributes:
        known: ``(K, L)``, the oldest first.
        owners, strata: ``(L,)``.
        least: the fewest patients by which two sets may differ.
    """

    known: Members
    owners: Owners
    strata: NDArray[np.int64]
    least: int

    def allows(self, members: Members, by_stratum: bool) -> bool:
        """Whether a set can follow; ``by_stratum``: also for sums over each stratum by itself."""
        if not members.any():
            return False
        if _any_equal(self.known, members):
            return True
        if _patients(members, self) < self.least:
            return False
        if tells_of_few(members, self.known, self.owners, self.least):
            return False
        changed = np.unique(self.strata[(self.known != members).any(axis=0)]) if by_stratum else ()
        return not any(self._tells(members, self.strata == one) for one in changed)

    def _tells(self, members: Members, within: Members) -> bool:
        part, known = members & within, self.known & within
        return not _any_equal(known, part) and tells_of_few(part, known, self.owners, self.least)


def settle(present: Members, past: Past, order: Order) -> Members | None:
    """The set that takes part, of those that are present; ``None`` if no set of ``least`` patients may follow.

    A first start takes all, however few.
    """
    if not len(past.known):
        return present
    stays = present & past.known[-1]
    for by_stratum in (True, False):
        for candidate in (present, *_grown(present, past), *_held(present, stays, past)):
            if past.allows(candidate, by_stratum):
                return candidate
        for candidate in _rested(present, past, order, by_stratum):
            if past.allows(candidate, by_stratum):
                return candidate
    return max((one for one in past.known if not (one & ~present).any() and one.any()), key=np.sum, default=None)


def _grown(present: Members, past: Past) -> Iterator[Members]:
    """The last set with the new patients of those strata where enough have gathered."""
    if (past.known[-1] & ~present).any():
        return
    new = present & ~past.known[-1]
    enough = [one for one in np.unique(past.strata[new]) if _patients(new & (past.strata == one), past) >= past.least]
    if enough:
        yield past.known[-1] | (new & np.isin(past.strata, enough))


def _held(present: Members, stays: Members, past: Past) -> Iterator[Members]:
    """Sets that took part before, if nobody of them has gone and all who were in the last one and stay are in them."""
    for one in past.known[::-1]:
        if not (one & ~present).any() and not (stays & ~one).any():
            yield one


def _rested(present: Members, past: Past, order: Order, by_stratum: bool) -> Iterator[Members]:
    """The last set without those who have gone and without some who rest, fewest first."""
    last = past.known[-1]
    stays, gone = last & present, last & ~present
    needed: dict[int, int] = {}
    for stratum in np.unique(past.strata[gone]) if by_stratum else ():
        needed[int(stratum)] = max(0, past.least - _patients(gone & (past.strata == stratum), past))
    fewest = 0 if by_stratum else max(0, past.least - _patients(gone, past))
    for more in range(fewest, fewest + 2 * past.least):
        for draw in range(DRAWS):
            resting: set[int] = set()
            for stratum, count in needed.items():
                resting |= set(_drawn(stays & (past.strata == stratum), past, order, draw)[:count])
            others = [one for one in _drawn(stays, past, order, draw) if one not in resting]
            resting |= set(others[:more])
            rests = np.isin(past.owners, list(resting))
            yield stays & ~rests
            yield present & ~rests


def _drawn(among: Members, past: Past, order: Order, draw: int) -> list[int]:
    return sorted(np.unique(past.owners[among]).tolist(), key=lambda patient: order(draw, patient))


def _patients(members: Members, past: Past) -> int:
    return len(np.unique(past.owners[members]))


def _any_equal(known: Members, members: Members) -> bool:
    return bool((known == members).all(axis=1).any())
