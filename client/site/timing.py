"""Measure how long the phases of answering a message take; written to the site's own ``phases.jsonl``."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fedgraft.common.runtime.files import append_json

_STARTTIME = 22  # field of proc_pid_stat(5), counted from 1: clock ticks since boot


@dataclass
class Phases:
    """Seconds by phase since the last `pop`, and how many cases were decoded and computed."""

    seconds: dict[str, float] = field(default_factory=dict)
    computed: int = 0

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Add the duration of the ``with`` block to a phase."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def pop(self) -> tuple[dict[str, float], int]:
        """Return ``(seconds, computed)`` and reset both."""
        found = {name: round(seconds, 4) for name, seconds in self.seconds.items()}, self.computed
        self.seconds, self.computed = {}, 0
        return found


def since_process_start() -> float | None:
    """Seconds since this process was started or forked, to 10 ms; ``None`` where ``/proc`` does not tell."""
    try:
        fields = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks = int(fields[_STARTTIME - 3])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def write_phases(state: Path, what: str, before: float | None, phases: Phases) -> None:
    """Append a line to ``phases.jsonl``: the kind of message, seconds by phase, and the number of cases computed.

    Args:
        before: seconds from the start of the process to the message's arrival at the ClientApp.
    """
    seconds, computed = phases.pop()
    line = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "what": what,
        "seconds": {"receive": None if before is None else round(before, 3), **seconds},
        "computed": computed,
    }
    append_json(state / "phases.jsonl", line)
