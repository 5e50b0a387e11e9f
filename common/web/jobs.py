"""Commands that a console starts for its person: each a process of its own, with what it printed.

What needs torch, or takes long, is not done in the console's process: it is the command that a person would type.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fedgraft.common.runtime.flower import module, quiet_environment

KEPT = 20
MOST_CHARACTERS = 60_000


@dataclass(frozen=True)
class Job:
    """A command that was started.

    Attributes:
        title: what it does, for people.
        began: in seconds since 1970.
        code: its exit code; ``None`` while it runs.
        said: what it has printed so far.
    """

    number: int
    title: str
    began: float
    code: int | None = None
    said: str = ""


@dataclass
class Jobs:
    """The newest `KEPT` commands that this console started."""

    _kept: dict[int, Job] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _next: int = 1

    def start(self, title: str, *words: str, typed: str = "") -> Job:
        """Start ``fedgraft WORDS``, in a session of its own: Ctrl-C at the console does not reach it.

        Args:
            typed: what it reads from its standard input: words that no other account may see.
        """
        with self._lock:
            job = Job(self._next, title, time.time())
            self._next += 1
            self._kept[job.number] = job
            for old in [number for number in self._kept if number <= job.number - KEPT]:
                del self._kept[old]
        process = subprocess.Popen(
            module("fedgraft.common.cli", *words),
            env=quiet_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._follow, args=(job.number, process, typed), daemon=True).start()
        return job

    def find(self, number: int) -> Job | None:
        with self._lock:
            return self._kept.get(number)

    def all(self) -> Sequence[Job]:
        """The newest first."""
        with self._lock:
            return list(reversed(self._kept.values()))

    def _follow(self, number: int, process: subprocess.Popen[str], typed: str) -> None:
        assert process.stdout is not None and process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # it ended before it read anything
            stream.write(typed)
        for line in process.stdout:
            self._note(number, line, None)
        process.stdout.close()
        self._note(number, "", process.wait())

    def _note(self, number: int, line: str, code: int | None) -> None:
        with self._lock:
            if number in self._kept:
                job = self._kept[number]
                self._kept[number] = replace(job, said=(job.said + line)[-MOST_CHARACTERS:], code=code)
