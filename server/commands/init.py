"""``fedgraft coordinator init``."""

from __future__ import annotations

import argparse
from pathlib import Path
from shlex import quote

from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import start_command
from fedgraft.server.deployment.folder import Settings, create

_INVITE = (
    "once it runs: fedgraft coordinator invite {folder} NAME ... prints a line for each hospital, which is all that it "
    "needs to join"
)
DESCRIPTION = "Makes the folder: certificate authority, certificate, settings."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--host",
        action="append",
        required=True,
        metavar="NAME_OR_IP",
        help="how sites reach this machine; repeat it for several names",
    )
    parser.add_argument("--port", type=int, default=8443, help="the public port (default: %(default)s)")
    parser.add_argument("--listen", default="0.0.0.0", metavar="IP", help="bind this address (default: all)")
    parser.add_argument("--internal-port", type=int, help="Flower's port on loopback (default: port + 1)")
    parser.add_argument("--start", action="store_true", help="start it at once, in the foreground")


def run(given: argparse.Namespace) -> int:
    """Make the folder; with ``--start``, run the coordinator."""
    internal = given.port + 1 if given.internal_port is None else given.internal_port
    for option, port in (("--port", given.port), ("--internal-port", internal)):
        if not 1 <= port <= 65535:
            raise DeploymentError(f"{option} {port} is no port; give a number from 1 to 65535")
    folder = create(given.folder, Settings(tuple(given.host), given.port, given.listen, internal))
    say(f"made {folder.root}; sites reach it at {given.host[0]}:{given.port}")
    say(f"keep {folder.authority_key} secret; whoever has it can pretend to be this coordinator")
    if given.start:
        say(_INVITE.format(folder=given.folder))
        return start_command.run(given)
    say(f"next: fedgraft coordinator start {quote(str(given.folder))}")
    say(_INVITE.format(folder=given.folder))
    return 0
