"""``fedgraft coordinator sites``."""

from __future__ import annotations

import argparse
import time

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import invitations, orders
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.watching.as_json import add_folder_and_json, print_json
from fedgraft.server.watching.hospitals import NOBODY, NOBODY_BUT_INVITED, site_table
from fedgraft.server.watching.snapshot import federation, federation_values

DESCRIPTION = "Lists the registered sites and whether they are online, and the invitations that are open."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_folder_and_json(parser)


def run(given: argparse.Namespace) -> int:
    """Print the list."""
    folder = Folder(given.folder.resolve())
    if given.json:
        print_json(federation_values(federation(folder, orders.node_states(folder), True, time.time()))["sites"])
        return 0
    table, invited = site_table(folder), invitations.told(folder, time.time())
    say("\n".join([NOBODY_BUT_INVITED if table == NOBODY and invited else table, *invited]))
    return 0
