"""The command ``fedgraft coordinator watch``."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.live import Live

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import REGISTERED, Folder
from fedgraft.server.deployment.open_runs import of_folder
from fedgraft.server.deployment.public.announced import read_announced
from fedgraft.server.watching.as_json import print_json
from fedgraft.server.watching.choice import choose
from fedgraft.server.watching.observed import ENDS, Observed, observe
from fedgraft.server.watching.snapshot import run_values
from fedgraft.server.watching.view import view
from fedgraft.server.watching.words import news

DESCRIPTION = """\
Attaches to a run from any terminal: sites, what each computes, round, curve, remaining time, drops. Reads the run's
folder and what sites tell; writes nothing, and ends nothing: Ctrl-C leaves the run alone. In a pipe it prints a line
for each change.
Exit code 0: the run completed (--once: or goes on); 1: it ended otherwise.
"""
PAUSE_SECONDS = 1.0
START_SECONDS = 120.0
"""How long a run may take to be submitted."""
PIPE_WIDTH = 10_000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="a run's folder, name or number (default: the one that goes on, or the last)",
    )
    parser.add_argument("--once", action="store_true", help="show it once, as it is now")
    parser.add_argument("--json", action="store_true", help="with --once: print JSON (its keys: docs/console.md)")


def run(given: argparse.Namespace) -> int:
    """Watch a run; returns the exit code."""
    folder = Folder(given.folder.resolve())
    if given.json and not given.once:
        raise DeploymentError("--json shows a run once: give --once too")
    out = choose(folder, given.run)
    console = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else PIPE_WIDTH)
    if given.once:
        seen = look(folder, out)
        if given.json:
            print_json(run_values(seen))
        else:
            _print_once(console, seen)
        return 1 if seen.state in ("ended", "cut off") else 0
    return _live(folder, out, console) if console.is_terminal else _lines(folder, out)


def _print_once(console: Console, seen: Observed) -> None:
    """The picture as a terminal shows it; in a pipe each line as long as its text."""
    with console.capture() as captured:
        console.print(view(seen))
    shown = captured.get()
    sys.stdout.write(shown if console.is_terminal else "".join(f"{line.rstrip()}\n" for line in shown.splitlines()))
    sys.stdout.flush()


def look(folder: Folder, out: Path) -> Observed:
    """The run now."""
    return observe(out, read_announced(folder), time.time())


def is_over(folder: Folder, seen: Observed) -> bool:
    """Whether nothing will change any more: the run has ended, or was cut off and no coordinator knows it."""
    if seen.state in ENDS:
        return True
    begun = seen.now - (seen.out / REGISTERED).stat().st_mtime if (seen.out / REGISTERED).is_file() else START_SECONDS
    if seen.state == "starting" and begun < START_SECONDS:
        return False  # it is being submitted
    return seen.state in ("cut off", "starting") and of_folder(folder, seen.out) is None


def _live(folder: Folder, out: Path, console: Console) -> int:
    seen = look(folder, out)
    with Live(view(seen), console=console, auto_refresh=False) as live:
        while not is_over(folder, seen):
            time.sleep(PAUSE_SECONDS)
            seen = look(folder, out)
            live.update(view(seen), refresh=True)
    return _code(seen)


def _lines(folder: Folder, out: Path) -> int:
    before = None
    while True:
        seen = look(folder, out)
        for line in news(before, seen):
            say(line)
        if is_over(folder, seen):
            return _code(seen)
        before = seen
        time.sleep(PAUSE_SECONDS)


def _code(seen: Observed) -> int:
    return 0 if seen.state == "completed" else 1
