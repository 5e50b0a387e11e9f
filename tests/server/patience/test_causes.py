"""A run that waits says by hospital why, again when that changes; what waiting can't change ends it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.approval.deciding import approve, refuse
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.patience.causes import Cause, causes, in_lines, refused_by_all

from .conftest import NAMES

Composer = Callable[..., Plan]
Federations = Callable[..., Any]


def site_file(one: Any, name: str) -> Path:
    found: Path = one.folder / "sites" / name / "site.yaml"
    return found


def add(one: Any, name: str, line: str) -> None:
    path = site_file(one, name)
    path.write_text(f"{path.read_text()}\n{line}\n")


def waits(said: str) -> list[str]:
    return [line for line in said.splitlines() if line.startswith(("waiting: ", "  "))]


def test_a_refusal_is_said_as_such_once_it_is_known(
    federations: Federations, compose_plan: Composer, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan("rounds=1", "patience.quorum_sites=3", "patience.wait=7200")
    one = federations(plan, asks=True)
    add(one, "alder", "approval: ask")
    add(one, "birch", "approval: ask")
    one.town.connected.discard(1002)
    decisions = {name: Decisions(read_site_file(site_file(one, name))) for name in ("alder", "birch")}
    one.wound.events = {
        40: lambda: refuse(decisions["birch"], plan.digest[:8], "Dr A", "no"),
        300: lambda: one.town.connected.add(1002),
        400: lambda: approve(decisions["birch"], plan.digest[:8], "Dr A", (), None),
        410: lambda: approve(decisions["alder"], plan.digest[:8], "Dr A", (), None),
    }
    one.run(plan)
    said = waits(capsys.readouterr().out)
    assert said[0].startswith(
        "waiting: round 1: 0 site(s) ready to train, patience.quorum_sites=3 are needed; missing: alder (unapproved, "
        "since 30 Nov 08:00 UTC), birch (unapproved, since 30 Nov 08:00 UTC), cedar (not-connected, since"
    )
    assert said[1].startswith(
        "  alder, birch: unapproved: the plan waits for a person at the site: `fedgraft site pend"
    )
    assert said[2].startswith("  cedar: not-connected: its `fedgraft site start` does not run")
    told = [
        line for line in said if line.startswith("  birch: plan-refused: a person at the site has refused the plan")
    ]
    assert len(told) == 1, "once it is known, not again when another cause changes"
    assert any("alder (unapproved, since" in line and "birch (plan-refused, since" in line for line in said)


def test_what_every_site_s_bounds_refuse_ends_at_once(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan("rounds=1", "train.lr=0.5")
    one = federations(plan)
    for name in NAMES:
        add(one, name, "bounds: {rate: 0.1}")
    with pytest.raises(RoundError) as caught:
        one.run(plan)
    assert str(caught.value).splitlines()[0] == (
        "round 1: 0 site(s) ready to train, patience.quorum_sites=2 are needed; every hospital refuses the plan as it "
        "is (alder, birch, cedar: bounds), and waiting changes nothing: write another plan, or let them allow more in "
        "their site.yaml"
    )
    assert one.wound.seconds == 0


def test_one_that_is_away_may_still_allow_it(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan("rounds=1", "train.lr=0.5", "patience.wait=100")
    one = federations(plan)
    for name in NAMES:
        add(one, name, "bounds: {rate: 0.1}")
    one.town.connected.discard(1001)
    with pytest.raises(RoundError, match=r"patience.wait=100 seconds are over"):
        one.run(plan)


def test_each_cause_and_who_has_it() -> None:
    ledger = Ledger(None)
    ledger.write(
        Entry(3, "train", "alder", 1, "ok", "", 5, 0, 0),
        Entry(3, "train", "birch", 2, "site-error", "the site reported `plan-refused`: ask them", None, 0, 0),
        Entry(3, "train", "cedar", 3, "no-answer", "no reply within the deadline", None, 0, 0),
        Entry(3, "again", "birch", 2, "ok", "train: it went away", None, 0, 0),
        Entry(1, "train", "elm", 5, "late", "long ago", None, 0, 0),
    )
    here = ("alder", "birch", "cedar", "elm")
    found = causes((*here, "dogwood"), here, ledger, 3)
    assert {name: cause.code for name, cause in found.items()} == {
        "alder": "answered",
        "birch": "plan-refused",
        "cedar": "no-answer",
        "dogwood": "not-connected",
        "elm": "not-asked",
    }
    assert found["cedar"].what == "no reply within the deadline"
    assert found["birch"].what.startswith("a person at the site has refused the plan or revoked its approval")
    two = {"a": Cause("x", "y"), "b": Cause("z", "."), "c": Cause("x", "y")}
    assert list(in_lines(two)) == ["  a, c: x: y", "  b: z: ."]
    assert refused_by_all(two, ["a"]) is None and refused_by_all({}, []) is None
    assert refused_by_all({"a": Cause("bounds", "")}, ["a", "b"]) is None, "b is ready"
