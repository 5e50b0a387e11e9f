"""The commands ``fedgraft coordinator invite`` and ``confirm``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import confirm, invite, withdraw

DESCRIPTION = """\
Prints one line for each name, to be given to the hospital by mail or in any other way: whoever has it can register one
site under that name, once. It names this coordinator's address and its authority's fingerprint, so that no file is
carried. The hospital types
  fedgraft site join LINE --manifest FILE
A new line for a name ends the one before. With --confirm, a key that comes with the line is registered only after you
compared its fingerprint by telephone (`fedgraft coordinator confirm DIR NAME`).
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare both commands."""
    inviting = commands.add_parser(
        "invite",
        help="print a line by which a hospital joins; no file is carried",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    inviting.add_argument("folder", type=Path, metavar="DIR")
    inviting.add_argument("names", nargs="+", metavar="NAME", help="of the sites: letters, digits, - and _")
    inviting.add_argument("--hours", type=float, metavar="H", help="how long a line holds (default: 24)")
    inviting.add_argument(
        "--cases", type=int, metavar="N", help="training cases, as confirmed with the hospital: it counts for no more"
    )
    inviting.add_argument("--confirm", action="store_true", help="register a key only after `confirm`")
    inviting.add_argument("--withdraw", action="store_true", help="take the names' lines back instead")
    inviting.set_defaults(command=_invite)
    confirming = commands.add_parser("confirm", help="register a key that came with a line of `invite --confirm`")
    confirming.add_argument("folder", type=Path, metavar="DIR")
    confirming.add_argument("name", metavar="NAME")
    confirming.set_defaults(command=_confirm)


def _invite(given: argparse.Namespace) -> int:
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


def _confirm(given: argparse.Namespace) -> int:
    site = confirm(Folder(given.folder.resolve()), given.name)
    say(f"registered {site.name} with key {site.fingerprint} as node {site.node_id}")
    return 0
