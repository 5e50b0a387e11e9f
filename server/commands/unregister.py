"""``fedgraft coordinator unregister``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import sites
from fedgraft.server.deployment.folder import Folder

DESCRIPTION = "Shuts a site out."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("name", metavar="NAME")


def run(given: argparse.Namespace) -> int:
    """Shut the site out."""
    site = sites.unregister(Folder(given.folder.resolve()), given.name)
    say(f"{site.name} (key {site.fingerprint}) is no longer admitted")
    return 0
