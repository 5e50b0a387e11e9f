"""``fedgraft coordinator service``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.systemd import Service, unit_of
from fedgraft.common.web.service import add_option, words_of
from fedgraft.server.console.command import PORT
from fedgraft.server.deployment.folder import Folder

DESCRIPTION = "Prints a hardened systemd unit for `fedgraft coordinator start`, or for `fedgraft coordinator console`."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--user", metavar="NAME", help="the account that it runs as (default: yours)")
    add_option(parser)


def run(given: argparse.Namespace) -> int:
    """Print the unit."""
    folder = Folder(given.folder.resolve())
    folder.settings()
    root = str(folder.root)
    name, what, words = "fedgraft-coordinator", "FedGraft coordinator", ["start", root]
    if given.console is not None:
        name, what, words = f"{name}-console", f"{what}: console", ["console", root, *words_of(given.console, PORT)]
    command = module("fedgraft.common.cli", "coordinator", *words)
    print(unit_of(Service(name, what, command, folder.root, [folder.root], given.user)))
    return 0
