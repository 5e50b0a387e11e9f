"""The commands ``fedgraft site rekey`` and ``fedgraft site leave``."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.membership.leave import end_here, tell
from fedgraft.client.membership.rekey import rekey
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say

REKEY = """\
Makes a new key for this site and has the coordinator know it in the place of the old one, which signs the request; also
while `site start` runs and a run goes on: the connection is made anew within seconds, and an answer that is being
computed then is asked for again. Nothing is carried. Cut off, the same command goes on.
"""
LEAVE = """\
Ends this site's membership: approvals are revoked, what is kept of cases is removed (docs/withdrawal.md), and the
coordinator shuts the site out. Logs, account and secret stay: they are this site's proof of what it did. A model that
was trained stays what it is. To come back, be registered or invited again.
Exit code 0: done; 1: done here, but the coordinator could not be told: have it unregister the site.
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[argparse.ArgumentParser]:
    """Declare the commands; each needs ``--site`` besides."""
    new_key = commands.add_parser("rekey", help="a new key, while runs go on; nothing is carried", description=REKEY)
    new_key.set_defaults(command=_rekey)
    yield new_key
    leaving = commands.add_parser("leave", help="end this site's membership", description=LEAVE)
    leaving.add_argument("--by", required=True, metavar="NAME", help="who decides, for the site's own log")
    leaving.set_defaults(command=_leave)
    yield leaving


def _rekey(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    old, new = rekey(site.name, require_coordinator(site, given.site))
    say(f"the coordinator knows this site by key {new} now, and no more by {old}")
    say("other sites that list this site's key (secure.known in their site.yaml) need the new .pub file")
    return 0


def _leave(given: argparse.Namespace) -> int:
    site = read_site_file(given.site)
    coordinator = require_coordinator(site, given.site)
    revoked, removed = end_here(site, given.by)
    say(f"{revoked} approval(s) revoked; removed {removed.files} file(s), {removed.bytes:,} bytes, kept of cases")
    try:
        known = tell(coordinator)
    except DeploymentError as error:
        say(
            f"the coordinator could not be told: {error}; have it run `fedgraft coordinator unregister DIR {site.name}`"
        )
        return 1
    told = "has unregistered this site" if known else "did not know this site any more"
    say(f"the coordinator at {coordinator.address} {told}; end `fedgraft site start` if it still runs")
    return 0
