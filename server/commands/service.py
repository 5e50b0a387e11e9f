"""``fedgraft coordinator service``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.systemd import Service, unit_of
from fedgraft.server.deployment.folder import Folder

DESCRIPTION = "Prints a hardened systemd unit for `fedgraft coordinator start`."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--user", metavar="NAME", help="the account that it runs as (default: yours)")


def run(given: argparse.Namespace) -> int:
    """Print the unit."""
    folder = Folder(given.folder.resolve())
    folder.settings()
    command = module("fedgraft.common.cli", "coordinator", "start", str(folder.root))
    print(
        unit_of(
            Service("fedgraft-coordinator", "FedGraft coordinator", command, folder.root, [folder.root], given.user)
        )
    )
    return 0
