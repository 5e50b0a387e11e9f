"""What the commands that decide on a plan share."""

from __future__ import annotations

import argparse

DIGEST = "six or more figures of the plan's digest, as `pending` shows it"


def add_decision(parser: argparse.ArgumentParser, why: bool = False) -> None:
    """Declare which plan, who decides, and with ``why`` the reason."""
    parser.add_argument("plan", metavar="DIGEST", help=DIGEST)
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides")
    if why:
        parser.add_argument("--why", required=True, metavar="TEXT", help="kept here; never sent")
