"""The command ``fedgraft coordinator start``, by itself: what it imports stays in memory as long as it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.supervisor import serve

DESCRIPTION = "Runs the coordinator in the foreground; Ctrl-C or SIGTERM stops it."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")


def run(given: argparse.Namespace) -> int:
    """Run the coordinator; returns the exit code."""
    return serve(Folder(given.folder.resolve()))
