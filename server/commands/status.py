"""``fedgraft coordinator status``."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.health import is_healthy
from fedgraft.server.deployment.open_runs import submissions
from fedgraft.server.deployment.pki import validity
from fedgraft.server.watching.as_json import add_folder_and_json, print_json
from fedgraft.server.watching.hospitals import site_table
from fedgraft.server.watching.snapshot import federation, federation_values

DESCRIPTION = """\
Is it up, until when does the certificate hold, which sites, which runs?
Exit code 0: it runs; 2: it does not (with --json, what the folder tells is printed all the same).
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_folder_and_json(parser)


def run(given: argparse.Namespace) -> int:
    """Print the state."""
    folder = Folder(given.folder.resolve())
    settings = folder.settings()
    if given.json:
        runs = is_healthy(folder, settings.internal_port)
        states = orders.node_states(folder) if runs else None
        print_json(federation_values(federation(folder, states, runs, time.time())))
        return 0 if runs else 2
    say(f"address: {settings.hosts[0]}:{settings.port}\ncertificate: {validity(folder.certificate).sentence}")
    orders.require_running(folder)
    say(f"running\n\n{site_table(folder)}\n")
    states_of_runs = orders.run_states(folder)
    names = {one.run_id: Path(one.out).name for one in submissions(folder)}
    why = {one.run_id: "".join(one.details.splitlines()[:1]) for one in states_of_runs}
    lines = (
        f"run {s.run_id}  {names.get(s.run_id, '-')}  {s.status}  {s.elapsed}  {why[s.run_id]}".rstrip()
        for s in states_of_runs
    )
    say("\n".join(lines) or "no runs yet")
    return 0
