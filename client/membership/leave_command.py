"""``fedgraft site leave``."""

from __future__ import annotations

import argparse

from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.membership.leave import end_here, tell
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Ends this site's membership: approvals are revoked, what is kept of cases is removed (docs/withdrawal.md), and the
coordinator shuts the site out. Logs, account and secret stay: they are this site's proof of what it did. A model that
was trained stays what it is. To come back, be registered or invited again.
Exit code 0: done; 1: done here, but the coordinator could not be told: have it unregister the site.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides, for the site's own log")


def run(given: argparse.Namespace) -> int:
    """Remove what is kept, and tell the coordinator."""
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
