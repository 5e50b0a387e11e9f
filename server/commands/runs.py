"""``fedgraft coordinator runs``."""

from __future__ import annotations

import argparse

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.watching.as_json import add_folder_and_json, print_json
from fedgraft.server.watching.runs import past_runs, run_table
from fedgraft.server.watching.snapshot import past_values

DESCRIPTION = "Lists the runs, the newest first, with how each ended."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_folder_and_json(parser)


def run(given: argparse.Namespace) -> int:
    """Print the list."""
    folder = Folder(given.folder.resolve())
    folder.settings()  # is a coordinator's
    found = past_runs(folder)
    if given.json:
        print_json(past_values(found))
    else:
        say(run_table(found, folder.runs))
    return 0
