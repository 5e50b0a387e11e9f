"""The clock by which a coordinator waits; tests put another in its place."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """
    Attributes:
        now: seconds, which only grow.
        sleep: waits for so many seconds.
        date: the date and time, for people.
    """

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    date: Callable[[], datetime] = lambda: datetime.now(UTC)


SYSTEM = Clock()
