"""``fedgraft coordinator invite``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import invite, withdraw

DESCRIPTION = """\
Prints one line for each name, to be given to the hospital by mail or in any other way: whoever has it can register one
site under that name, once. It names this coordinator's address and its authority's fingerprint, so that no file is
carried. The hospital types
  fedgraft site join LINE --manifest FILE
A new line for a name ends the one before. With --confirm, a key that comes with the line is registered only after you
compared its fingerprint by telephone (`fedgraft coordinator confirm DIR NAME`).
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("names", nargs="+", metavar="NAME", help="of the sites: letters, digits, - and _")
    parser.add_argument("--hours", type=float, metavar="H", help="how long a line holds (default: 24)")
    parser.add_argument(
        "--cases", type=int, metavar="N", help="training cases, as confirmed with the hospital: it counts for no more"
    )
    parser.add_argument("--confirm", action="store_true", help="register a key only after `confirm`")
    parser.add_argument("--withdraw", action="store_true", help="take the names' lines back instead")


def run(given: argparse.Namespace) -> int:
    """Print the lines, or take them back."""
    folder = Folder(given.folder.resolve())
    folder.settings()
    if given.withdraw:
        if given.confirm or given.cases is not None or given.hours is not None:
            raise DeploymentError("--withdraw takes lines back; leave out --hours, --cases and --confirm")
        for name in given.names:
            withdraw(folder, name)
            say(f"the invitation of {name} is withdrawn")
        return 0
    hours = 24.0 if given.hours is None else given.hours
    made = invite(folder, given.names, 3600 * hours, time.time(), cases=given.cases, confirm=given.confirm)
    for one in made:
        print(one)  # alone on its line, to be copied
    until = time.strftime("%d %B %H:%M UTC", time.gmtime(made[0].until))
    say(f"each works once, until {until}. At the hospital: fedgraft site join LINE --manifest FILE")
    return 0
