"""``fedgraft site review``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from fedgraft.client.approval.decisions import APPROVED, Decisions
from fedgraft.client.check import command as check_command
from fedgraft.client.fence.plan_bounds import allowing, beyond
from fedgraft.client.review.options import DIGEST
from fedgraft.client.review.words import differences, named, what_is_trained, what_leaves
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Shows a plan that came: what would be trained, what would leave and when, what is different from the plan that was
approved here last; then `fedgraft site check` against it, on this site's own data: time, memory, bytes, groups,
columns. Nothing is sent, and nothing is decided.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is shared."""
    parser.add_argument("plan", metavar="DIGEST", help=DIGEST)
    parser.add_argument("--sample", type=int, metavar="N", help="decode N cases only (default: all)")
    parser.add_argument("--no-check", action="store_true", help="leave the check on this site's data out")


def run(given: argparse.Namespace) -> int:
    """Print what the plan would do, and check the site against it."""
    decisions = Decisions(read_site_file(given.site))
    digest, path = decisions.came(given.plan, beyond=True)
    site, plan = decisions.site, load_plan(path)
    say(named(decisions, digest, plan))
    if crossed := list(beyond(plan, site.bounds)):
        _tell("it asks for more than `bounds` in site.yaml allow", crossed)
        _tell("this line of site.yaml would allow it", [allowing(plan, site.bounds)])
    elif digest in decisions.beyond():
        say(
            "`bounds` in site.yaml refused it when it came last, and would not now: it can be decided about once the "
            "coordinator asks again"
        )
    _tell("what it does", (f"{title}: {text}" for title, text in what_is_trained(site, plan)))
    _tell("what leaves", (f"{title}: {text}" for title, text in what_leaves(site, plan)))
    before = _approved_before(decisions, digest)
    if before is None:
        say("no other plan was approved here before")
    else:
        _tell("different from the plan that was approved last", differences(plan, before))
    if given.no_check:
        return 0
    sample = [] if given.sample is None else ["--sample", str(given.sample)]
    return check_command.run_with(given.site, "--plan", str(path), "--no-page", *sample)


def _approved_before(decisions: Decisions, digest: str) -> Plan | None:
    """The plan that was approved last, besides this one."""
    for line in reversed(decisions.lines()):
        if line["what"] == APPROVED and line["plan"] != digest:
            return load_plan(decisions.came(line["plan"])[1])
    return None


def _tell(title: str, lines: Iterable[str]) -> None:
    say(f"{title}:")
    for line in list(lines) or ["nothing"]:
        say(f"  {line}")
