"""How long an answer may take: for ever, a number of seconds, or a multiple of how long such answers took of late."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from fedgraft.common.plan.patience_section import FIRST, LONGEST, PatienceSection

TIMES = 3.0
"""How many times as long as the slowest recent answer ``patience.deadline=auto`` waits."""
SHORTEST = 120.0
"""Seconds that it waits at least: a site's process starts anew for each message, on a machine that has other work."""
RECKONED_TIMES, RECKONED_SHORTEST = 10.0, 600.0
"""The same for what the sites reckon before any has answered: none has measured it, and all may have other work."""
BACKBONE = "backbone"
"""A preparation that brings the backbone, after which a site computes what it keeps: it takes far longer than the
question whether a site has that."""
RECKONED_NOT = ("describe", "prepare", BACKBONE)
"""What is asked before a site can reckon: it may have to decode every case."""
SLOWEST_LINE = 62_500.0
"""Bytes a second of the slowest line that is waited for: half a Mbit/s."""
RECENT = 3
"""Of how many rounds answers are recent: the first one, with all that a site then computes once, is soon forgotten."""


Durations = Mapping[str, Mapping[int, float]]
"""By kind of message and round: seconds of the slowest answer."""
NOTHING: Durations = MappingProxyType({})


class Deadlines(Protocol):
    """How many seconds an answer may take."""

    def of(self, what: str, size: int = 0) -> float:
        """For an answer to a message of this kind, of so many bytes."""

    def heard(self, what: str, number: int, seconds: float) -> None:
        """An answer of round ``number`` took so long."""

    def expect(self, seconds: float | None) -> None:
        """How long the slowest site thinks that a round takes it; ``None`` if one does not say."""

    def known(self) -> Durations:
        """What it goes by."""


@dataclass(frozen=True)
class FixedDeadline:
    """The same for every message."""

    seconds: float

    def of(self, what: str, size: int = 0) -> float:
        return self.seconds

    def heard(self, what: str, number: int, seconds: float) -> None:
        """Changes nothing."""

    def expect(self, seconds: float | None) -> None:
        """Changes nothing."""

    def known(self) -> Durations:
        return NOTHING


UNTIMED = FixedDeadline(math.inf)
"""Of a simulation, where every message has a reply."""


class LearnedDeadlines:
    """`TIMES` the slowest answer of the last `RECENT` rounds to a message of the same kind, at least `SHORTEST`. Before
    there is any, `RECKONED_TIMES` what the slowest site reckons, at least `RECKONED_SHORTEST`; `FIRST` if one does not
    say. To that comes what the message needs on the `SLOWEST_LINE`; `LONGEST` at most. An answer that came too late
    counts, too, so that a slow site is not shut out for good, and so that a whole federation that became slower is
    waited for.

    Args:
        known: by which it begins, of a run that goes on.
    """

    def __init__(self, known: Durations = NOTHING) -> None:
        self._slowest: dict[str, dict[int, float]] = {what: dict(rounds) for what, rounds in known.items()}
        self._reckoned: float | None = None

    def of(self, what: str, size: int = 0) -> float:
        return min(self._computing(what) + size / SLOWEST_LINE, LONGEST)

    def _computing(self, what: str) -> float:
        recent = self.known().get(what)
        if recent:
            return max(TIMES * max(recent.values()), SHORTEST)
        if self._reckoned is None or what in RECKONED_NOT:
            return FIRST
        return max(RECKONED_TIMES * self._reckoned, RECKONED_SHORTEST)

    def expect(self, seconds: float | None) -> None:
        self._reckoned = seconds

    def heard(self, what: str, number: int, seconds: float) -> None:
        rounds = self._slowest.setdefault(what, {})
        rounds[number] = max(seconds, rounds.get(number, 0.0))

    def known(self) -> Durations:
        return {what: dict(sorted(rounds.items())[-RECENT:]) for what, rounds in self._slowest.items()}


def deadlines_of(patience: PatienceSection, known: Durations = NOTHING) -> Deadlines:
    """Those of a deployed run. ``known``: what it knew when it was interrupted."""
    return LearnedDeadlines(known) if patience.deadline == "auto" else FixedDeadline(patience.deadline)
