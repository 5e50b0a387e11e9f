"""``fedgraft coordinator confirm``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import confirm

DESCRIPTION = "Registers a key that came with a line of `invite --confirm`."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("name", metavar="NAME")


def run(given: argparse.Namespace) -> int:
    """Register the key."""
    site = confirm(Folder(given.folder.resolve()), given.name)
    say(f"registered {site.name} with key {site.fingerprint} as node {site.node_id}")
    return 0
