"""``fedgraft coordinator register``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import sites
from fedgraft.server.deployment.folder import Folder

DESCRIPTION = "Admits a site by the public half of its key (`invite` needs no file)."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("key", type=Path, metavar="SITE.pub")
    parser.add_argument("--name", required=True, help="the name in the site's own site.yaml")
    parser.add_argument(
        "--cases",
        type=int,
        metavar="N",
        help="its training cases, as confirmed with the hospital: it counts for no more",
    )


def run(given: argparse.Namespace) -> int:
    """Register the site."""
    site = sites.register(Folder(given.folder.resolve()), given.key, given.name, given.cases)
    say(f"registered {site.name} with key {site.fingerprint} as node {site.node_id}")
    return 0
