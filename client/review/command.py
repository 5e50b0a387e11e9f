"""The commands ``fedgraft site pending``, ``review``, ``approve``, ``refuse``, ``revoke`` and ``decisions``."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import date

from fedgraft.client.approval import deciding
from fedgraft.client.approval.deciding import waiting
from fedgraft.client.approval.decisions import APPROVED, Decisions
from fedgraft.client.check import command as check_command
from fedgraft.client.review.words import differences, what_is_trained, what_leaves
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.plan.plan import Plan, load_plan
from fedgraft.common.runtime.processes import say

_DIGEST = "six or more figures of the plan's digest, as `pending` shows it"
REVIEW = """\
Shows a plan that came: what would be trained, what would leave and when, what is different from the plan that was
approved here last; then `fedgraft site check` against it, on this site's own data: time, memory, bytes, groups,
columns. Nothing is sent, and nothing is decided.
"""
APPROVE = """\
Says yes: from now on the site carries the plan out, until it is revoked or the day --until is over. The receipt (plan,
person, purposes, number of lines and keyed digest of the manifest, end; signed with the site's key) is kept in
state/approvals.jsonl and goes to the coordinator with the site's answer.
"""


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> Iterator[argparse.ArgumentParser]:
    """Declare the commands; each needs ``--site`` besides."""
    pending = commands.add_parser("pending", help="plans that came and wait for a person here to decide")
    pending.add_argument("--json", action="store_true", help="print JSON instead, for scripts (docs/console.md)")
    pending.set_defaults(command=_pending)
    yield pending
    review = commands.add_parser("review", help="what a plan would do and tell here", description=REVIEW)
    review.add_argument("plan", metavar="DIGEST", help=_DIGEST)
    review.add_argument("--sample", type=int, metavar="N", help="decode N cases only (default: all)")
    review.add_argument("--no-check", action="store_true", help="leave the check on this site's data out")
    review.set_defaults(command=_review)
    yield review
    approve = commands.add_parser("approve", help="say yes to a plan", description=APPROVE)
    approve.add_argument(
        "--until", type=date.fromisoformat, metavar="YYYY-MM-DD", help="the last day (default: no end)"
    )
    approve.add_argument("--purpose", action="append", default=[], metavar="TEXT", help="for what; may be repeated")
    approve.set_defaults(command=_approve)
    refuse = commands.add_parser("refuse", help="say no to a plan")
    refuse.set_defaults(command=_refuse)
    revoke = commands.add_parser("revoke", help="end an approval, also in the middle of a run")
    revoke.set_defaults(command=_revoke)
    for parser in (approve, refuse, revoke):
        parser.add_argument("plan", metavar="DIGEST", help=_DIGEST)
        parser.add_argument("--by", required=True, metavar="NAME", help="who decides")
        yield parser
    for parser in (refuse, revoke):
        parser.add_argument("--why", required=True, metavar="TEXT", help="kept here; never sent")
    decisions = commands.add_parser("decisions", help="what was decided here, by whom; verifies the log")
    decisions.set_defaults(command=_decisions)
    yield decisions


def _pending(given: argparse.Namespace) -> int:
    decisions = Decisions(read_site_file(given.site))
    found = waiting(decisions)
    if given.json:
        print(json.dumps([{**asdict(one), "came": _stamp(one.came)} for one in found], indent=2))
        return 0
    if decisions.site.approval != "ask":
        say(f"nothing waits: {given.site} has approval: {decisions.site.approval}")
        return 0
    for one in found:
        came = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.came))
        say(f"{one.plan[:16]}  came {came}  {one.backbone}, {one.rounds} rounds; fedgraft site review {one.plan[:8]}")
    if not found:
        say("no plan waits for a decision")
    return 0


def _stamp(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def _review(given: argparse.Namespace) -> int:
    decisions = Decisions(read_site_file(given.site))
    digest, path = decisions.came(given.plan)
    site, plan = decisions.site, load_plan(path)
    say(f"plan {digest}: {decisions.standing(digest)}")
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


def _approve(given: argparse.Namespace) -> int:
    say(
        deciding.approve(Decisions(read_site_file(given.site)), given.plan, given.by, tuple(given.purpose), given.until)
    )
    return 0


def _refuse(given: argparse.Namespace) -> int:
    say(deciding.refuse(Decisions(read_site_file(given.site)), given.plan, given.by, given.why))
    return 0


def _revoke(given: argparse.Namespace) -> int:
    say(deciding.revoke(Decisions(read_site_file(given.site)), given.plan, given.by, given.why))
    return 0


def _decisions(given: argparse.Namespace) -> int:
    lines = Decisions(read_site_file(given.site)).lines()
    for line in lines:
        until = line.get("receipt", {}).get("until")
        more = f": {line['why']}" if "why" in line else f", until {until}" if until else ""
        say(f"{line['time']}  {line['plan'][:16]}  {line['what']} by {line['by']}{more}")
    say(f"{len(lines)} decision(s), no line was changed" if lines else "nothing was decided yet")
    return 0


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
