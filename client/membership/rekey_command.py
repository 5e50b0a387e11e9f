"""``fedgraft site rekey``."""

from __future__ import annotations

import argparse

from fedgraft.client.deployment.supervisor import require_coordinator
from fedgraft.client.membership.rekey import rekey
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Makes a new key for this site and has the coordinator know it in the place of the old one, which signs the request; also
while `site start` runs and a run goes on: the connection is made anew within seconds, and an answer that is being
computed then is asked for again. Nothing is carried. Cut off, the same command goes on.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare no option: ``--site`` is shared."""


def run(given: argparse.Namespace) -> int:
    """Make the key, and have the coordinator know it."""
    site = read_site_file(given.site)
    old, new = rekey(site.name, require_coordinator(site, given.site))
    say(f"the coordinator knows this site by key {new} now, and no more by {old}")
    say("other sites that list this site's key (secure.known in their site.yaml) need the new .pub file")
    return 0
