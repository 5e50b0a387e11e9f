"""``fedgraft coordinator runs``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.watching.runs import past_runs, run_table
from fedgraft.server.watching.snapshot import past_values, print_json

DESCRIPTION = "Lists the runs, the newest first, with how each ended."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--json", action="store_true", help="print JSON instead, for scripts (its keys: docs/console.md)"
    )


def run(given: argparse.Namespace) -> int:
    """Print the list."""
    folder = Folder(given.folder.resolve())
    folder.settings()  # is a coordinator's
    found = past_runs(folder)
    if given.json:
        print_json(past_values(found))
    else:
        say(run_table(found))
    return 0
