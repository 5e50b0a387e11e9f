"""``fedgraft site refuse``."""

from __future__ import annotations

import argparse

from fedgraft.client.approval.deciding import refuse
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.review.options import add_decision
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = "Says no to a plan."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    add_decision(parser, why=True)


def run(given: argparse.Namespace) -> int:
    """Write the decision."""
    say(refuse(Decisions(read_site_file(given.site)), given.plan, given.by, given.why))
    return 0
