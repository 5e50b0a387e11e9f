"""A clock that tests wind: to sleep takes no time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fedgraft.server.exchange.clock import Clock

BEGAN = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)


@dataclass
class Wound:
    """Seconds since `BEGAN`, and what is to be done as time goes by.

    ``events``: by the second at which each happens, once.
    """

    seconds: float = 0.0
    events: dict[float, Callable[[], None]] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        for due in sorted(time for time in self.events if time <= self.seconds):
            self.events.pop(due)()

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep, lambda: BEGAN + timedelta(seconds=self.seconds))
