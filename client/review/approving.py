"""``fedgraft site approve``."""

from __future__ import annotations

import argparse
from datetime import date

from fedgraft.client.approval.deciding import approve
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.review.options import add_decision
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Says yes: from now on the site carries the plan out, until it is revoked or the day --until is over. The receipt (plan,
person, purposes, number of lines and keyed digest of the manifest, end; signed with the site's key) is kept in
state/approvals.jsonl and goes to the coordinator with the site's answer.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    add_decision(parser)
    parser.add_argument("--until", type=_day, metavar="YYYY-MM-DD", help="the last day (default: no end)")
    parser.add_argument("--purpose", action="append", default=[], metavar="TEXT", help="for what; may be repeated")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day; write it as 2027-01-31") from None


def run(given: argparse.Namespace) -> int:
    """Write the receipt."""
    say(approve(Decisions(read_site_file(given.site)), given.plan, given.by, tuple(given.purpose), given.until))
    return 0
