"""``fedgraft site service``."""

from __future__ import annotations

import argparse

from fedgraft.client.console.command import PORT
from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.files import private_folder
from fedgraft.common.runtime.flower import module
from fedgraft.common.runtime.systemd import Service, unit_of
from fedgraft.common.web.service import add_option, words_of

DESCRIPTION = "Prints a hardened systemd unit for `fedgraft site start`, or for `fedgraft site console`."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    parser.add_argument("--user", metavar="NAME", help="the account that it runs as (default: yours)")
    add_option(parser)


def run(given: argparse.Namespace) -> int:
    """Print the unit."""
    path, site = given.site.resolve(), read_site_file(given.site)
    require_coordinator(site, path)
    for folder in (site.state, site.shared_store):
        private_folder(folder)  # systemd can only allow what is there
    name, what, words = "fedgraft-site", f"FedGraft site {site.name}", ["start"]
    if given.console is not None:
        name, what, words = f"{name}-console", f"{what}: console", ["console", *words_of(given.console, PORT)]
    command = module("fedgraft.common.cli", "site", *words, "--site", str(path))
    writes, gpu = [site.state, site.shared_store], site.device != "cpu"
    print(unit_of(Service(name, what, command, path.parent, writes, given.user, gpu)))
    return 0
