"""The commands ``fedgraft coordinator sites``, ``status`` and ``runs``."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import flower_cli, invitations
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.deployment.pki import validity
from fedgraft.server.watching.hospitals import hospital_table, hospitals
from fedgraft.server.watching.runs import past_runs, run_table
from fedgraft.server.watching.snapshot import federation, federation_values, past_values

JSON = "print JSON instead, for scripts (its keys: docs/console.md)"
STATUS = (
    "Is it up, until when does the certificate hold, which sites, which runs. Exit code 0: it runs; 2: it does not "
    "(with --json, what the folder tells is printed all the same)."
)


def add_sites(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare ``sites``."""
    listing = commands.add_parser("sites", help="list the registered sites and whether they are online")
    listing.add_argument("folder", type=Path, metavar="DIR")
    listing.add_argument("--json", action="store_true", help=JSON)
    listing.set_defaults(command=_sites)


def add_status(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare ``status`` and ``runs``."""
    status = commands.add_parser(
        "status", help="is it up, until when does the certificate hold, which runs", description=STATUS
    )
    status.set_defaults(command=_status)
    runs = commands.add_parser("runs", help="list the runs, the newest first, with how each ended")
    runs.set_defaults(command=_runs)
    for parser in (status, runs):
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument("--json", action="store_true", help=JSON)


def site_table(folder: Folder) -> str:
    """The registered sites as a text table.

    Raises:
        DeploymentError: the coordinator is not running.
    """
    return hospital_table(hospitals(folder, flower_cli.node_states(folder), time.time()))


def _sites(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    if given.json:
        _print(federation_values(federation(folder, flower_cli.node_states(folder), True, time.time()))["sites"])
        return 0
    say("\n".join([site_table(folder), *invitations.told(folder, time.time())]))
    return 0


def _status(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    settings = folder.settings()
    if given.json:
        runs = is_healthy(folder, settings.internal_port)
        states = flower_cli.node_states(folder) if runs else None
        _print(federation_values(federation(folder, states, runs, time.time())))
        return 0 if runs else 2
    say(f"address: {settings.hosts[0]}:{settings.port}\ncertificate: {validity(folder.certificate).sentence}")
    flower_cli.require_running(folder)
    say(f"running\n\n{site_table(folder)}\n")
    states_of_runs = flower_cli.run_states(folder)
    lines = (f"run {s.run_id}  {s.status}  {s.elapsed}  {s.details}".rstrip() for s in states_of_runs)
    say("\n".join(lines) or "no runs yet")
    return 0


def _runs(given: argparse.Namespace) -> int:
    folder = Folder(given.folder.resolve())
    folder.settings()  # is a coordinator's
    found = past_runs(folder)
    if given.json:
        _print(past_values(found))
    else:
        say(run_table(found))
    return 0


def _print(found: Any) -> None:
    print(json.dumps(found, indent=2))
