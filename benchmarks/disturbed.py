"""Where drills take place (`mishaps.py`), and what they do there: disks, clocks, files that misbehave for a while."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from loopback import Federation, Service, wait

from fedgraft.common.plan.plan import load_plan
from fedgraft.server.deployment.open_runs import last_round
from fedgraft.server.exchange.deployed_grid import read_now

STUCK_SECONDS = 600.0
CLOCK = Path(__file__).with_name("moved_clock.c")


class WrongError(Exception):
    """A drill saw what must not be."""


class NotRunError(Exception):
    """A drill can't be run on this machine."""


@dataclass(frozen=True)
class Place:
    """Where drills take place. ``small``: a folder on a disk of its own, ``None`` if none could be mounted."""

    where: Federation
    small: Path | None

    def begin(self, name: str, deadline: float | None = None, out: Path | None = None) -> None:
        """Submit a run. ``deadline``: in place of ``patience.deadline=auto``; it changes no bit."""
        plan, file = load_plan(self.where.plan), self.where.scratch / f"{name}.json"
        if deadline is not None:
            plan = replace(plan, patience=replace(plan.patience, deadline=deadline))
        file.write_text(plan.to_json(), encoding="utf-8")
        self.where.begin(out or self.where.scratch / "runs" / name, file)

    def reach(self, number: int) -> None:
        """Wait for the end of a round."""
        if not wait(lambda: last_round(self.where.out) >= number or self.where.ended(), STUCK_SECONDS):
            raise WrongError(f"round {number} was never reached")

    def training(self, site: str) -> int:
        """Wait until a site computes a ``train`` message; the id of the process that does."""
        found: list[int] = []

        def computes() -> bool:
            asked = read_now(self.where.out).get(site)
            pid = (
                self.where.process(site, "message") if asked and asked.what == "train" and not asked.answered else None
            )
            found.extend([] if pid is None else [pid])
            return bool(found)

        if not wait(computes, STUCK_SECONDS, pause=0.01):
            raise WrongError(f"{site} was never seen training")
        return found[0]

    def until_ended(self) -> None:
        if not wait(self.where.ended, STUCK_SECONDS):
            raise WrongError("it did not end")

    def stopped(self, pid: int | None, seconds: float) -> None:
        """A process stands still for so long."""
        if pid is None:
            raise WrongError("there is no such process")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            print("  (it was ended meanwhile)", file=sys.stderr)


def mount(*words: str) -> bool:
    return subprocess.run(["mount", *words], check=False, stderr=subprocess.DEVNULL).returncode == 0


def own_disk(folder: Path) -> Path:
    if not folder.is_mount():
        raise NotRunError("no tmpfs can be mounted; be root")
    return folder


@contextmanager
def disk(folder: Path, megabytes: int) -> Iterator[bool]:
    """A disk of its own for a folder, within the block; whether there is one."""
    folder.mkdir(parents=True)
    mounted = mount("-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "tmpfs", str(folder))
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(folder)], check=False)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Whoever opens a file in a folder within the block can't write to it; what was open before stays so."""
    path = str(folder)
    if not (mount("--bind", path, path) and mount("-o", "remount,bind,ro", path)):
        raise NotRunError("no folder can be made read-only; be root")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """The disk of a folder is full within the block."""
    filling = folder / "filling"
    with filling.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
    try:
        yield
    finally:
        filling.unlink()


@contextmanager
def moved_clock(place: Place, service: Service, ready: str) -> Iterator[Callable[[int], None]]:
    """A service is started again so that its clock can be moved, by so many seconds; and once more at the end.

    Args:
        ready: what the service says when it is up.
    """
    library, file = place.where.scratch / "moved_clock.so", place.where.scratch / "clock"
    if shutil.which("cc") is None:
        raise NotRunError("there is no C compiler (cc)")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(CLOCK)], check=True)

    def move(seconds: int) -> None:
        file.with_suffix(".new").write_text(f"{seconds}\n")
        file.with_suffix(".new").replace(file)

    def again(more: dict[str, str]) -> None:
        if not service.again(ready, more):
            raise WrongError(f"it never said {ready!r} again: {service.said()[-500:]}")

    move(0)
    again({"MOVED_CLOCK": str(file), "LD_PRELOAD": str(library)})
    try:
        yield move
    finally:
        again({})


@contextmanager
def other_files(place: Place, site: str, count: int, change: Callable[[Path], object]) -> Iterator[None]:
    """Some files of a site's cohort are changed within the block."""
    files = sorted((place.where.scratch / "cache").rglob(f"{site}/*.dcm"))[:count]
    if len(files) < count:
        raise WrongError(f"{site} has no {count} files")
    before = {file: file.read_bytes() for file in files}
    for file in files:
        change(file)
    try:
        yield
    finally:
        for file, content in before.items():
            file.write_bytes(content)
