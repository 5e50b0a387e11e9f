"""A person's yes and no to plans that came, for the command line and the site's console alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from fedgraft.client.approval.asked import RunOf, clock_of, read_asked
from fedgraft.client.approval.decisions import APPROVED, REFUSED, REVOKED, Decisions
from fedgraft.client.approval.receipt import receipt_of
from fedgraft.common.errors import SiteFileError

MOST_BEYOND = 5
"""Of the plans that ``bounds`` refused, the newest are shown."""


@dataclass(frozen=True)
class Waiting:
    """A plan that waits for a decision, or that ``bounds`` refused.

    Attributes:
        came: in seconds since 1970.
        backbone: the network that it would train on. ``rounds``: how many.
        run: whether its run goes on: of one that is over the plan does not wait.
    """

    plan: str
    came: float
    backbone: str
    rounds: int
    run: RunOf = "unknown"


def waiting(decisions: Decisions) -> tuple[Waiting, ...]:
    """The plans that wait for a person here, the newest first.

    Raises:
        DataError: the log of decisions was changed.
    """
    if decisions.site.approval != "ask":
        return ()
    return tuple(_came(decisions, digest, path) for digest, path in decisions.pending().items())


def out_of_bounds(decisions: Decisions) -> tuple[Waiting, ...]:
    """The plans that came last and asked for more than ``bounds`` in the site file allow, the newest first, whatever
    the site's ``approval``: nobody is to decide about them.

    Raises:
        DataError: the log of decisions was changed.
    """
    newest = list(decisions.beyond().items())[:MOST_BEYOND]
    return tuple(_came(decisions, digest, path) for digest, path in newest)


def _came(decisions: Decisions, digest: str, path: Path) -> Waiting:
    plan = json.loads(path.read_text(encoding="utf-8"))
    run = decisions.run_of(digest)
    return Waiting(digest, path.stat().st_mtime, str(plan["backbone"]["name"]), int(plan["rounds"]), run)


def approve(decisions: Decisions, start: str, by: str, purposes: tuple[str, ...], until: date | None) -> str:
    """Say yes to a plan, by the first figures of its digest; returns what that means, in a sentence.

    Raises:
        SiteFileError: no such plan came, nobody is named, or the last day is over.
        DataError: the log of decisions was changed, or the manifest can't be read.
    """
    digest, _ = decisions.came(start)
    if until is not None and until < date.today():
        raise SiteFileError(f"--until {until} is over; give a day to come, or leave it out")
    receipt = receipt_of(decisions.site, digest, _named(by), purposes, until)
    decisions.write(APPROVED, digest, by, {"receipt": receipt})
    told = "until it is revoked" if until is None else f"to the end of {until}"
    return f"plan {digest[:16]} is approved, {told}; {_what_follows(decisions, digest)}"


def _what_follows(decisions: Decisions, digest: str) -> str:
    said, run = read_asked(decisions.site.state), decisions.run_of(digest)
    if run == "over" and said is not None:
        return (
            f"but the run that asked for it is over, as the coordinator said at {clock_of(said)}: this counts for a "
            "later run of the same plan"
        )
    if run == "goes on":
        return "the coordinator is told within seconds"
    since = "yet" if said is None else f"since {clock_of(said)}"
    return (
        "the coordinator is told as soon as this site is connected (whether a run still asks for it is not known here: "
        f"the coordinator has not said {since})"
    )


def refuse(decisions: Decisions, start: str, by: str, why: str) -> str:
    """Say no to a plan.

    Raises:
        SiteFileError: no such plan came, or nobody is named.
        DataError: the log of decisions was changed.
    """
    digest, _ = decisions.came(start)
    decisions.write(REFUSED, digest, _named(by), {"why": why})
    return f"plan {digest[:16]} is refused; the coordinator learns that, not why"


def revoke(decisions: Decisions, start: str, by: str, why: str) -> str:
    """End an approval.

    Raises:
        SiteFileError: the plan is not approved, or nobody is named.
        DataError: the log of decisions was changed.
    """
    digest, _ = decisions.came(start)
    if decisions.standing(digest) != APPROVED:
        raise SiteFileError(f"plan {digest[:16]} is not approved: {decisions.standing(digest)}")
    decisions.write(REVOKED, digest, _named(by), {"why": why})
    return f"the approval of plan {digest[:16]} is revoked: this site answers no further message of it"


def _named(by: str) -> str:
    """
    Raises:
        SiteFileError: it names nobody.
    """
    if not by.strip():
        raise SiteFileError("name who decides")
    return by
