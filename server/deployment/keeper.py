"""Keep runs going: one whose process is gone, though it has not ended, is submitted again and goes on; while its folder
can't be written to, it waits.

A run's process holds the lock of the run's folder, so that its end is noticed at once, and also after the machine lost
its power. Flower itself notices it after about a minute, and gives the run up.
"""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.run_lock import LOCK
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import CHECKPOINTS, Folder
from fedgraft.server.deployment.open_runs import OpenRun, end, forget, open_runs, submit

TRIES = 5
START_SECONDS = 90.0
"""How long a run may wait for its process from Flower, since this coordinator saw it first: importing takes half a
minute on a busy machine."""
PAUSE_SECONDS = 1.0
PROBE, LEAST_BYTES = ".room", 1 << 20
"""The file by which it is found out whether a run's folder can be written to: with twice the bytes of a checkpoint."""


class Keeper:
    """Looks after the open runs of a coordinator.

    Args:
        clock: seconds, for a test.
    """

    def __init__(self, folder: Folder, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._clock = folder, clock
        self._seen: dict[str, float] = {}
        self._without_room: set[str] = set()

    def run(self, stopping: threading.Event) -> None:
        """Look again and again until ``stopping`` is set."""
        while not stopping.wait(PAUSE_SECONDS):
            try:
                self.look()
            except (OSError, ValueError, DeploymentError, subprocess.SubprocessError) as error:
                say(f"open runs can't be looked after now ({error}); trying again")
                stopping.wait(10 * PAUSE_SECONDS)

    def look(self) -> None:
        """Submit each run again that was cut off; forget those that have ended."""
        for run in open_runs(self._folder):
            if run.has_ended:
                forget(self._folder, run)
            elif run.was_cut_off or self._never_started(run):
                self._again(run)

    def _never_started(self, run: OpenRun) -> bool:
        """Whether a run has no process for long: that was submitted before the machine lost its power."""
        seen = self._seen.setdefault(run.run_id, self._clock())
        return not (run.folder / LOCK).exists() and self._clock() - seen > START_SECONDS

    def _again(self, run: OpenRun) -> None:
        why = why_not_writable(run.folder)
        if why is not None:  # no try of the run's: each would end at its first checkpoint
            if run.run_id not in self._without_room:
                say(f"run {run.run_id} was cut off, and goes on once {run.folder} can be written to again: {why}")
            self._without_room.add(run.run_id)
            return
        self._without_room.discard(run.run_id)
        with contextlib.suppress(DeploymentError):  # it may have ended for Flower, too
            orders.stop_run(self._folder, run.run_id)
        if run.tries >= TRIES:
            reason = f"the coordinator's process of the run ended {TRIES + 1} times in the same round"
            end(run.folder, reason)
            conclude_in_process(run.folder, reason)
            forget(self._folder, run)
            say(f"run {run.run_id}: {reason}; what there is is in {run.folder}")
            return
        found = submit(self._folder, run.name, run.folder, resume=True, before=run)
        say(f"run {run.run_id} was cut off after round {max(found.round, 0)}; it goes on as run {found.run_id}")


def why_not_writable(out: Path) -> str | None:
    """Why the next checkpoint can't be written into a run's folder, in the system's words; ``None`` if it can."""
    sizes = [file.stat().st_size for file in (out / CHECKPOINTS).glob("*.safetensors")]
    probe = out / PROBE
    try:
        probe.write_bytes(bytes(max([LEAST_BYTES, *(2 * size for size in sizes)])))
        return None
    except OSError as error:
        return error.strerror or type(error).__name__
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def conclude_in_process(out: Path, reason: str) -> bool:
    """Write the results of the rounds before, in a process of its own, which needs torch; returns whether it could."""
    command = module("fedgraft.server.checkpoints.interrupted", str(out), reason)
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
