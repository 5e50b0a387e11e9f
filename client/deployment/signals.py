"""What a site's supervisor and its programs say to each other without words: a signal, and signs of life."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

from fedgraft.common.runtime.processes import tell

EXECUTOR_ENDED = signal.SIGUSR1
"""The supervisor to the SuperNode: whoever worked on the present task is gone."""
UNUSABLE = 2
"""The SuperNode's exit code for a flwr that can't be made to answer every message; its last line says why."""
BEAT_SECONDS = 5.0
QUIET_SECONDS = 30.0
"""So long without a sign of life, and the site no longer tells its coordinator that it is there."""
STALLED_SECONDS = 300.0
"""So long, and the SuperNode is started again: a piece of an answer may take minutes over a slow line."""
EXECUTOR_STALLED_SECONDS = 120.0
"""So long, and the executor is: what takes it longest is to start a message's process, with all that this imports."""


class Beat:
    """A program's signs of life. The SuperNode takes messages, waits for an answer, or calls the coordinator; the
    executor looks for tasks.

    The SuperNode's call that says that the site is online is none: another thread makes it, also if nothing else goes
    on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._last = clock, float("-inf")

    def __call__(self) -> None:
        now = self._clock()
        if now - self._last >= BEAT_SECONDS:
            self._last = now
            tell({"alive": True})


class Life:
    """What the supervisor hears of them, since the first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, stalled: float = STALLED_SECONDS) -> None:
        self._clock, self._stalled = clock, stalled
        self._last: float | None = None

    def heard(self) -> None:
        self._last = self._clock()

    @property
    def is_quiet(self) -> bool:
        return self._silent_for > QUIET_SECONDS

    @property
    def is_stalled(self) -> bool:
        return self._silent_for > self._stalled

    @property
    def _silent_for(self) -> float:
        return 0.0 if self._last is None else self._clock() - self._last
