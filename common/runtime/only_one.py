"""A folder has only one supervisor, and what an earlier one left running is found by name and process id.

The lock file holds the supervisor's process id and those of its children. A process id is used again some day, so each
stands beside the moment at which that process began.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.parent_death import KERNEL_TELLS
from fedgraft.common.runtime.processes import Child, say

_DYING_SECONDS = 2.0
"""How long children may take to end after their parent was killed, before they count as left over."""
_KILLED_SECONDS = 5.0
_STATE, _START = 0, 19  # fields 3 and 22 of /proc/PID/stat, counted from the third


@dataclass(frozen=True)
class Known:
    """A process that was started here. ``began``: when, in the words of this machine; another one has another."""

    name: str
    pid: int
    began: str

    @property
    def alive(self) -> bool:
        return beginning(self.pid) == self.began


class Holder:
    """Who holds the lock: it writes down which children there are."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.note(())

    def note(self, children: Sequence[Child]) -> None:
        """Write down the children that there are now. A full disk is no reason to stop."""
        processes = [("supervisor", os.getpid()), *((child.name, child.process.pid) for child in children)]
        known = [Known(name, pid, began) for name, pid in processes if (began := beginning(pid)) is not None]
        with contextlib.suppress(OSError):
            self._stream.seek(0)
            self._stream.truncate()
            self._stream.write(json.dumps([asdict(one) for one in known]))
            self._stream.flush()


@contextlib.contextmanager
def only_one(lock: Path, what: str) -> Iterator[Holder]:
    """Hold a lock file within the block, so that a folder has only one supervisor; ``what`` names it in the error.

    Processes that an earlier supervisor left, since it was killed, are ended first.

    Raises:
        DeploymentError: another process holds it, or one that was left can't be ended; the process ids are named.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            by = ", ".join(f"process {one.pid}" for one in _noted(stream) if one.name == "supervisor")
            raise DeploymentError(
                f"{what} is already running ({by or 'another process'} holds {lock}); stop it first"
            ) from error
        end_left_over(_noted(stream), what)
        yield Holder(stream)


def end_left_over(noted: Sequence[Known], what: str) -> None:
    """End processes of an earlier supervisor with their sessions, and say so.

    Raises:
        DeploymentError: one of them can't be ended.
    """
    left = _still_alive([one for one in noted if one.pid != os.getpid()], _DYING_SECONDS)
    for one in left:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(one.pid, signal.SIGKILL)
        say(f"{what}: ended {one.name} (process {one.pid}), left over from a start that was killed")
    staying = _still_alive(left, _KILLED_SECONDS)
    if staying:
        names = ", ".join(f"{one.name} (process {one.pid})" for one in staying)
        pids = " ".join(str(one.pid) for one in staying)
        raise DeploymentError(f"{what}: {names} of an earlier start still runs and can't be ended; try kill -9 {pids}")


def beginning(pid: int) -> str | None:
    """When a process began; ``None`` if there is none of that id, or it has ended and was not collected yet."""
    if KERNEL_TELLS:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[_STATE] in "ZX" else fields[_START]
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return told.stdout.strip() or None


def _still_alive(processes: Sequence[Known], seconds: float) -> list[Known]:
    """Those that are there after they were given some time to end."""
    deadline = time.monotonic() + seconds
    while (alive := [one for one in processes if one.alive]) and time.monotonic() < deadline:
        time.sleep(0.02)
    return alive


def _noted(stream: TextIO) -> list[Known]:
    stream.seek(0)
    try:
        return [Known(**line) for line in json.loads(stream.read() or "[]")]
    except (ValueError, TypeError):
        return []
