"""``fedgraft site pending``."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict

from fedgraft.client.approval.deciding import out_of_bounds, waiting
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Lists the plans that came and wait for a person here to decide. A plan whose run the coordinator has called over does
not wait; one of whose run it has said nothing since it came is marked as such. And those that `bounds` in site.yaml
refused.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    parser.add_argument("--json", action="store_true", help="print JSON instead, for scripts (docs/console.md)")


def run(given: argparse.Namespace) -> int:
    """Print the list."""
    decisions = Decisions(read_site_file(given.site))
    found, beyond = waiting(decisions), out_of_bounds(decisions)
    if given.json:
        plans = [*((one, "") for one in found), *((one, "bounds") for one in beyond)]
        told = [{**asdict(one), "came": _stamp(one.came), "refused_by": by} for one, by in plans]
        print(json.dumps(told, indent=2))
        return 0
    for one in beyond:
        ended = ", and its run is over" * (one.run == "over")
        say(f"{one.plan[:16]}  refused by `bounds` in site.yaml{ended}; fedgraft site review {one.plan[:8]} says which")
    if decisions.site.approval != "ask":
        say(f"nothing waits: {given.site} has approval: {decisions.site.approval}")
        return 0
    for one in found:
        came = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.came))
        say(f"{one.plan[:16]}  came {came}  {one.backbone}, {one.rounds} rounds; fedgraft site review {one.plan[:8]}")
        if one.run == "unknown":
            say("  whether its run still goes on is not known here: the coordinator has not said since it came")
    if not found:
        say("no plan waits for a decision")
    over = decisions.over()
    if over:
        say(f"not decided, and the run that asked is over: {', '.join(plan[:16] for plan in over)}")
    return 0


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))
