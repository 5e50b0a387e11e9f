"""A run's progress as lines, where bars can't be drawn: in a file, or through a pipe."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from rich.progress import Progress

EVERY = 10.0
"""Seconds, at least, between two lines."""


class Lines:
    """Says how far the tasks of a progress are; nothing where it draws them itself.

    Args:
        now: seconds, which only grow.
    """

    def __init__(self, progress: Progress, now: Callable[[], float] = time.monotonic) -> None:
        console = progress.console
        self._is_drawn = console.is_terminal or console.is_jupyter or progress.disable
        self._progress, self._now, self._begun = progress, now, now()
        self._next = self._begun + EVERY

    def look(self) -> None:
        """Say it, unless that was just done."""
        now = self._now()
        if self._is_drawn or now < self._next:
            return
        self._next = now + EVERY
        said = [
            f"{one.description} {one.completed:,.0f} of {one.total:,.0f}" + (f" ({note})" if note else "")
            for one in self._progress.tasks
            if one.visible and one.total is not None and one.completed
            for note in [one.fields.get("note")]
        ]
        took = timedelta(seconds=round(now - self._begun))
        self._progress.console.print(f"{took} {'; '.join(said)}", markup=False, highlight=False, soft_wrap=True)
