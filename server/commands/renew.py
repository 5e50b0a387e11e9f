"""``fedgraft coordinator renew``."""

from __future__ import annotations

import argparse
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder, renew
from fedgraft.server.deployment.pki import validity

DESCRIPTION = "Issues a new server certificate by the same authority; sites need not do anything."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")


def run(given: argparse.Namespace) -> int:
    """Issue the certificate."""
    folder = Folder(given.folder.resolve())
    renew(folder, folder.settings())
    say(f"{validity(folder.certificate).sentence}; a coordinator that runs takes it within seconds, and loses no site")
    say("inside this machine the one before is used until the coordinator is started again: do so before that one ends")
    return 0
