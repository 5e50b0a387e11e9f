"""Whole processes, measured: seconds from start to exit, processor seconds, and memory; contestants in turn."""

from __future__ import annotations

import argparse
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.progress import Progress

HERE = Path(__file__).resolve().parent
FEDGRAFT = (sys.executable, "-P", "-m", "fedgraft.common.cli")
QUIET = {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_DISABLE_UPDATE_CHECK": "1", "RAY_DEDUP_LOGS": "0"}
PAUSE = 0.1
MB = 1e6


@dataclass(frozen=True)
class Measured:
    """One process with all its children.

    Attributes:
        seconds: from start to exit.
        anonymous: bytes, the most at one time over the process and its children (RssAnon, every 0.1 s).
        processor: seconds of processors, over the process and all its children that it waited for.
        file_backed: bytes, likewise (RssFile): libraries and mapped files; shared pages count once per process.
    """

    seconds: float
    anonymous: int
    file_backed: int
    processor: float = 0.0


class AbsentError(Exception):
    """A contestant that can't run here; the text says why in words."""


Contestant = Callable[[], Measured]


def run(command: Sequence[str], extra: Mapping[str, str] | None = None) -> Measured:
    """A command as a whole process, in a session of its own (NVFLARE's simulator ends its whole process group).

    Raises:
        SystemExit: the command failed; shows the end of what it said.
    """
    environment = {**os.environ, **QUIET, **(extra or {})}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
        start, before = perf_counter(), _children_s_seconds()
        child = subprocess.Popen(command, env=environment, stdout=said, stderr=said, text=True, start_new_session=True)
        watch = _Watch(child.pid)
        try:
            code = child.wait()
        except BaseException:
            os.killpg(child.pid, signal.SIGTERM)
            raise
        seconds, processor = perf_counter() - start, _children_s_seconds() - before
        watch.stop()
        said.seek(0)
        if code != 0:
            raise SystemExit(f"{' '.join(command)} failed ({code}):\n{said.read()[-3000:]}")
    return Measured(seconds, watch.anonymous, watch.file_backed, processor)


def _children_s_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class _Watch:
    """Reads the memory of a process and its children until told to stop."""

    def __init__(self, pid: int) -> None:
        self.anonymous = self.file_backed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid,), daemon=True)
        self._thread.start()

    def _look(self, pid: int) -> None:
        while not self._stop.wait(PAUSE):
            found = [resident(process) for process in family(pid)]
            self.anonymous = max(self.anonymous, sum(anonymous for anonymous, _ in found))
            self.file_backed = max(self.file_backed, sum(file_backed for _, file_backed in found))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for process in found:
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue  # it ended meanwhile
    return found


def resident(pid: int | str = "self") -> tuple[int, int]:
    """``(RssAnon, RssFile)`` of a process in bytes; zeros if it ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    values = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines if line.startswith("Rss")}
    return values.get("RssAnon", 0), values.get("RssFile", 0)


def race(
    contestants: Mapping[str, Contestant], repeat: int, once: Collection[str] = ()
) -> dict[str, list[Measured] | str]:
    """Every contestant ``repeat`` times, in turn, so that a drift of the machine hits all alike.

    Args:
        once: those that are measured a single time.

    Returns:
        what was measured, in the order of the contestants; a text instead for one that can't run here.
    """
    found: dict[str, list[Measured] | str] = {name: [] for name in contestants}
    with Progress() as progress:
        task = progress.add_task("measuring", total=repeat * len(contestants))
        for turn in range(repeat):
            for name, contestant in contestants.items():
                if turn and name in once:
                    progress.advance(task)
                    continue
                progress.update(task, description=name)
                times = found[name]
                if not isinstance(times, str):
                    try:
                        times.append(contestant())
                    except AbsentError as absent:
                        found[name] = str(absent)
                progress.advance(task)
    return found


def median(times: Sequence[Measured]) -> float:
    return statistics.median(measured.seconds for measured in times)


def require(python: str | None, package: str) -> str:
    """The interpreter of ``--peers``, if it can import ``package`` and torch and timm.

    Raises:
        AbsentError: not given, or an import fails.
    """
    if python is None:
        raise AbsentError(f"not run: give --peers PYTHON, with {package}, torch and timm installed")
    done = subprocess.run([python, "-c", f"import {package}, torch, timm"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise AbsentError(f"not installed: {done.stderr.strip().splitlines()[-1]}")
    return python


def versions(python: str, packages: Sequence[str]) -> str:
    """What is installed for another interpreter, for instance ``pfl 0.6.0, torch 2.14.1``."""
    code = (
        f"from importlib.metadata import version; print(', '.join(f'{{p}} {{version(p)}}' for p in {list(packages)}))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "not all installed"


def parser(doc: str, repeat: int | None = 3) -> argparse.ArgumentParser:
    """The options that every benchmark has; its docstring is its help."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if repeat is not None:
        made.add_argument(
            "--repeat", type=int, default=repeat, help=f"times each is measured; medians count ({repeat})"
        )
    made.add_argument(
        "--plot", type=Path, metavar="FILE.png", help="draw it, and write what was measured beside it as FILE.json"
    )
    return made
