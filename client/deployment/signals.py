"""What a site's supervisor and its programs say to each other without words: a signal, and signs of life."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

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
EXECUTOR_STALLED_SECONDS = 60.0
"""So long, and the executor is, in less than the shortest deadline for an answer (``patience.deadline=auto``)."""


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


@contextmanager
def beating(beat: Callable[[], None], every: float = BEAT_SECONDS) -> Iterator[None]:
    """Within the block, which may take long, signs of life come from a thread; none comes of a process that stands
    still."""
    ended = threading.Event()

    def again() -> None:
        while not ended.wait(every):
            beat()

    thread = threading.Thread(target=again, name="beating", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


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
