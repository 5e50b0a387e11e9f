"""``fedgraft site revoke``."""

from __future__ import annotations

import argparse

from fedgraft.client.approval.deciding import revoke
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.review.options import add_decision
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = "Ends an approval, also in the middle of a run."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    add_decision(parser, why=True)


def run(given: argparse.Namespace) -> int:
    """Write the decision."""
    say(revoke(Decisions(read_site_file(given.site)), given.plan, given.by, given.why))
    return 0
