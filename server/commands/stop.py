"""``fedgraft coordinator stop``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.following import halt

DESCRIPTION = "Stops a run (not the coordinator: end `start` for that)."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("run_id", metavar="RUN", help="a run's folder, name or number")


def run(given: argparse.Namespace) -> int:
    """Stop the run."""
    say(halt(Folder(given.folder.resolve()), given.run_id, "by `fedgraft coordinator stop`"))
    return 0
