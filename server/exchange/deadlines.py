"""How long an answer may take: for ever, a number of seconds, or a multiple of how long such answers took of late."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from fedgraft.common.plan.patience_section import FIRST, LONGEST, PatienceSection

TIMES = 3.0
"""How many times as long as the slowest recent answer ``patience.deadline=auto`` waits."""
SHORTEST = 120.0
"""Seconds that it waits at least: a site's process starts anew for each message, on a machine that has other work."""
RECENT = 3
"""Of how many rounds answers are recent: the first one, with all that a site then computes once, is soon forgotten."""


class Deadlines(Protocol):
    """How many seconds an answer may take."""

    def of(self, what: str) -> float:
        """For an answer to a message of this kind."""

    def heard(self, what: str, number: int, seconds: float) -> None:
        """An answer of round ``number`` took so long."""


@dataclass(frozen=True)
class FixedDeadline:
    """The same for every message."""

    seconds: float

    def of(self, what: str) -> float:
        return self.seconds

    def heard(self, what: str, number: int, seconds: float) -> None:
        """Changes nothing."""


UNTIMED = FixedDeadline(math.inf)
"""Of a simulation, where every message has a reply."""


class LearnedDeadlines:
    """`TIMES` the slowest answer of the last `RECENT` rounds to a message of the same kind, from `SHORTEST` to
    `LONGEST`; `FIRST` before there is any. An answer that came too late counts, too, so that a slow site is not shut
    out for good, and so that a whole federation that became slower is waited for."""

    def __init__(self) -> None:
        self._slowest: dict[str, dict[int, float]] = {}

    def of(self, what: str) -> float:
        recent = sorted(self._slowest.get(what, {}).items())[-RECENT:]
        if not recent:
            return FIRST
        return min(max(TIMES * max(seconds for _, seconds in recent), SHORTEST), LONGEST)

    def heard(self, what: str, number: int, seconds: float) -> None:
        rounds = self._slowest.setdefault(what, {})
        rounds[number] = max(seconds, rounds.get(number, 0.0))


def deadlines_of(patience: PatienceSection) -> Deadlines:
    """Those of a deployed run."""
    return LearnedDeadlines() if patience.deadline == "auto" else FixedDeadline(patience.deadline)
