"""Follow a submitted run at a terminal, and stop one for good.

A stream of Flower's log ends in the same way for a run that failed, so the state is asked for beside it, and how a run
ended is read from its folder.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.processes import say
from fedgraft.common.runtime.run_lock import is_free
from fedgraft.server.deployment import control_api, orders
from fedgraft.server.deployment.folder import Folder, read_sites, sites_of
from fedgraft.server.deployment.keeper import conclude_in_process
from fedgraft.server.deployment.open_runs import (
    Launched,
    OpenRun,
    end,
    forget,
    is_complete,
    last_round,
    of_folder,
    open_run,
    why_ended,
)
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.deployment.public.site_news import SiteNews

POLL_SECONDS, ASK_SECONDS = 5.0, 20.0
"""How often changes among the sites are looked for, and how often Flower is asked for the state of the run: it also is
as soon as the log ends."""
AWAY_SECONDS = 60.0
HALT_SECONDS = 30.0
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
TRACEBACK = "Traceback (most recent call last)"
OF_FLOWER = re.compile(
    r"(INFO|DEBUG)\s*:|.*Successfully installed fedgraft-plan\b|Using SuperLink: "
    r"|ERROR\s*:\s*(ServerApp raised an exception|Exit Code: 201)|An unhandled exception occurred in the ServerApp"
    r"|For more information, visit: <https://flower"
)
"""Lines of a run's log by which Flower tells of its own steps, and of its process's end; other warnings and errors
stay."""


def follow_in_its_place(folder: Folder, launched: Launched) -> int:
    """Become a process that follows a run and holds little memory: what submitted the plan has torch in it."""
    sys.stdout.flush()
    sys.stderr.flush()
    command = following(folder, launched)
    return os.execv(command[0], command)  # which never returns


def following(folder: Folder, launched: Launched) -> list[str]:
    """The program that follows a run (`follow`), with its arguments."""
    return module("fedgraft.server.deployment.following", str(folder.root), launched.run_id, str(launched.out))


def follow(folder: Folder, launched: Launched) -> int:
    """Print the run's log until it ends, also if it is cut off and goes on; returns exit code 0 only if it completed.
    Ctrl-C stops the run (130)."""
    run_id = launched.run_id
    try:
        while True:
            details = _follow_one(folder, launched.out, run_id)
            if is_complete(launched.out):
                say(f"run {run_id}: completed; see {launched.out}")
                return 0
            reason = why_ended(launched.out)
            if reason is not None:
                say(f"run {run_id}: {reason}; {_what_there_is(launched.out)}")
                return 1
            again = _submitted_again(folder, launched.out, run_id)
            if again is None:
                command = f"fedgraft coordinator run {folder.root} --resume {launched.out}"
                say(f"run {run_id}: {details}; it goes on when the coordinator is back, or by `{command}`")
                return 1
            say(f"run {run_id} was cut off; it goes on as run {again.run_id}")
            run_id = again.run_id
    except KeyboardInterrupt:
        say(f"stopping run {run_id}; sites that are computing finish their present message first")
        say(halt(folder, run_id, "Ctrl-C at its terminal"))
        return 130


def _what_there_is(out: Path) -> str:
    """Of a run that ended before its last round. The results themselves may still be written."""
    if last_round(out) < 1:
        return "it ended before its first round did; there are no results"
    return f"the results of the rounds before are in {out}"


def halt(folder: Folder, run_id: str, reason: str) -> str:
    """Stop a run for good, with the results of its rounds so far; returns how that ended, in a sentence.

    Args:
        run_id: a number of it, its name or its folder.
    """
    run = open_run(folder, run_id)
    if run is not None:
        end(run.folder, f"it was stopped: {reason}")
    orders.stop_run(folder, run_id if run is None else run.run_id)
    if run is None:
        return f"run {run_id}: {orders.run_state(folder, run_id).status}"
    deadline = time.monotonic() + HALT_SECONDS
    while not is_free(run.folder) and time.monotonic() < deadline:
        time.sleep(0.2)
    forget(folder, run)
    if not is_free(run.folder):
        return f"run {run_id}: asked to stop; its process still works in {run.folder}"
    if is_complete(run.folder):
        return f"run {run_id}: it had completed; see {run.folder}"
    if conclude_in_process(run.folder, why_ended(run.folder) or reason):
        return f"run {run_id}: stopped; the results of the rounds so far are in {run.folder}"
    return f"run {run_id}: stopped before its first round ended; there are no results"


def _follow_one(folder: Folder, out: Path, run_id: str) -> str:
    """Print the log of one of Flower's runs until that ends; returns how it ended."""
    pump, news = _LogPump(folder, run_id), SiteNews()
    try:
        state, asked = _state(folder, run_id), time.monotonic()
        while not state.finished and not _is_over(folder, out, run_id):
            ended = pump.wait(POLL_SECONDS)
            of_run = set(sites_of(out))
            registered = [site for site in read_sites(folder) if site.name in of_run]
            for line in news.lines(registered, read_announced(folder), time.time()):
                say(line)
            if ended or time.monotonic() - asked >= ASK_SECONDS:
                state, asked = _state(folder, run_id), time.monotonic()
        pump.drain()
        return f"{state.status} ({state.details})" if state.details else state.status
    finally:
        pump.close()


def _is_over(folder: Folder, out: Path, run_id: str) -> bool:
    """Whether the run has ended, or was submitted again, which Flower notices later."""
    run = of_folder(folder, out)
    return run is None or run.has_ended or run.run_id != run_id


def _submitted_again(folder: Folder, out: Path, run_id: str) -> OpenRun | None:
    """The run under its new id, as soon as it has one; ``None`` if it gets none in time."""
    deadline = time.monotonic() + AWAY_SECONDS
    while time.monotonic() < deadline:
        run = of_folder(folder, out)
        if run is not None and run.run_id != run_id:
            return run
        if run is None:
            return None
        time.sleep(0.5)
    return None


def _state(folder: Folder, run_id: str) -> orders.FlowerRun:
    """The run's state; waits up to `AWAY_SECONDS` for a SuperLink that is being restarted."""
    deadline = time.monotonic() + AWAY_SECONDS
    while True:
        try:
            return orders.run_state(folder, run_id)
        except DeploymentError:
            if time.monotonic() > deadline:
                raise
            time.sleep(2.0)


def for_people(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a log without those in which Flower tells of its own steps, and without Python's tracebacks, of
    which the last line, which says what happened, stays."""
    within = False
    for line in lines:
        if line.startswith(TRACEBACK):
            within = True
        elif not (within and (line.startswith(" ") or not line.strip())):
            within = False
            if not OF_FLOWER.match(line):
                yield line


class _LogPump:
    """Prints a run's log as it is written; if the stream breaks, starts it again and skips printed lines."""

    def __init__(self, folder: Folder, run_id: str) -> None:
        self._folder = folder
        self._run_id = run_id
        self._printed = 0
        self._begin()

    def _begin(self) -> None:
        self._stream = control_api.LogStream(self._folder, self._run_id)
        self._thread = threading.Thread(target=self._print_new, daemon=True)
        self._thread.start()

    def _print_new(self) -> None:
        lines = (COLOUR.sub("", line) for line in self._stream)
        for number, line in enumerate(for_people(lines), start=1):
            if number > self._printed:
                self._printed = number
                print(line, end="", flush=True)

    def wait(self, seconds: float) -> bool:
        """Return when the stream ends, or after ``seconds``: whether it has ended. One that had is started again."""
        if not self._thread.is_alive():
            time.sleep(1.0)
            self._begin()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def drain(self) -> None:
        """Print the rest of a finished run's log."""
        self._thread.join(10.0)
        self.close()

    def close(self) -> None:
        """Stop printing."""
        self._stream.close()
        self._thread.join(5.0)


def main(argv: Sequence[str] | None = None) -> int:
    """``python -m fedgraft.server.deployment.following ROOT RUN_ID OUT``; exit codes as of `follow`."""
    parser = argparse.ArgumentParser(description="follow a run that was submitted")
    for name in ("root", "run_id", "out"):
        parser.add_argument(name)
    given = parser.parse_args(argv)
    try:
        return follow(Folder(Path(given.root)), Launched(given.run_id, Path(given.out)))
    except DeploymentError as error:
        print(f"fedgraft coordinator: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
