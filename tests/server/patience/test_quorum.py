"""Numbers of a quorum, of deadlines and of who took part, worked out by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.patience_section import PatienceSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.exchange.deadlines import BACKBONE, LearnedDeadlines, deadlines_of
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.patience.quorum import Quorum, RestedOn, cases_of_sites
from fedgraft.server.patience.register import Register
from fedgraft.server.reports.attendance import attendance
from fedgraft.server.rounds.ready import slowest

KNOWN = {"north": 600, "south": 300, "west": 100}


def quorum(**options: Any) -> Quorum:
    return Quorum(PatienceSection(**options), Ledger(None), KNOWN)


def some(*names: str) -> dict[str, int]:
    return {name: KNOWN[name] for name in names}


@pytest.mark.parametrize(
    ("options", "present", "unasked", "words"),
    [
        ({}, ("south", "west"), (), ""),
        ({"quorum_sites": 3}, ("north", "south"), (), "2 site(s) answered, patience.quorum_sites=3 are needed"),
        ({"quorum_cases": 0.4}, ("south", "west"), (), ""),
        (
            {"quorum_cases": 0.41},
            ("south", "west"),
            (),
            "2 site(s) with 400 of 1000 training cases answered, patience.quorum_cases=0.41 is needed",
        ),
        ({"quorum_cases": 1.0}, ("south", "west"), ("north",), ""),
        ({"quorum_cases": 0.8, "quorum_sites": 1}, ("south",), ("north",), "1 site(s) with 300 of 400"),
        ({"quorum_cases": 1.0, "quorum_sites": 1}, (), (), "0 site(s) answered, patience.quorum_sites=1"),
    ],
)
def test_a_quorum(options: dict[str, Any], present: tuple[str, ...], unasked: tuple[str, ...], words: str) -> None:
    def ask() -> None:
        quorum(**options).require(some(*present), 4, "answered", some(*unasked))

    if not words:
        ask()
        return
    with pytest.raises(RoundError) as caught:
        ask()
    assert str(caught.value).startswith(f"round 4: {words}")
    assert str(caught.value).endswith("\n  - no other site is connected")


def test_what_a_round_rests_on() -> None:
    assert quorum().rested_on(some("north", "west")) == RestedOn(2, 3, 700, 1000)
    assert not quorum().rested_on(some("north", "west")).is_whole
    assert quorum().rested_on(KNOWN).is_whole


def prepared(site: str, node: int, examples: int | None, outcome: str = "ok") -> Entry:
    return Entry(1, "prepare", site, node, outcome, "", examples, 0, 0)


def test_the_sites_of_a_run_are_those_that_were_prepared_and_are_registered() -> None:
    ledger = Ledger(None)
    ledger.write(prepared("north", 1, 500), prepared("south", 2, None, "site-error"), prepared("west", 3, 80))
    ledger.write(prepared("north", 1, 600), prepared("east", 9, 10))
    assert cases_of_sites(ledger, {}) == {"north": 600, "west": 80, "east": 10}
    assert cases_of_sites(ledger, {1: "north", 2: "south", 4: "west", 9: "other"}) == {"north": 600}


def test_deadlines_follow_the_slowest_recent_answer() -> None:
    """Three times as long, of the last three rounds, from 2 minutes to 12 hours; an hour before any is known."""
    found = LearnedDeadlines()
    assert found.of("train") == 3600
    found.heard("train", 1, 900.0)
    found.heard("train", 1, 30.0)
    assert (found.of("train"), found.of("prepare")) == (2700, 3600)
    for number, seconds in ((2, 50.0), (3, 60.0)):
        found.heard("train", number, seconds)
    assert found.of("train") == 2700
    found.heard("train", 4, 10.0)
    assert found.of("train") == 180
    for number in (5, 6, 7):
        found.heard("train", number, 1.0)
    assert found.of("train") == 120
    found.heard("train", 8, 20_000.0)
    assert found.of("train") == 12 * 3600


def test_before_any_answer_the_slowest_site_s_own_estimate_counts() -> None:
    """Ten times as long, from 10 minutes to 12 hours; not for what may have to decode every case; an hour if one does
    not say."""
    found = LearnedDeadlines()
    found.expect(200.0)
    assert (found.of("train"), found.of("evaluate"), found.of("prepare")) == (2000, 2000, 3600)
    found.expect(3.0)
    assert found.of("train") == 600
    found.expect(20_000.0)
    assert found.of("train") == 12 * 3600
    found.heard("train", 1, 900.0)
    assert found.of("train") == 2700
    found.expect(None)
    assert (found.of("train"), found.of("evaluate")) == (2700, 3600)


def test_a_message_is_waited_for_as_long_as_it_needs_on_a_slow_line() -> None:
    """A backbone of 200 MB at half a Mbit/s: 3,200 seconds; and how soon a site says that it lacks one tells nothing of
    how long it takes it to compute with it."""
    found = LearnedDeadlines()
    found.heard("prepare", 1, 2.0)
    assert (found.of("prepare"), found.of(BACKBONE, 200_000_000)) == (120, 3600 + 3200)
    found.heard(BACKBONE, 1, 1800.0)
    assert found.of(BACKBONE, 200_000_000) == 5400 + 3200
    assert found.of(BACKBONE, 10**10) == 12 * 3600
    assert deadlines_of(PatienceSection(deadline=45.0)).of(BACKBONE, 10**9) == 45


def test_of_the_estimates_the_slowest_counts_if_all_say() -> None:
    def offer(seconds: float | None, abstains: str = "") -> Offer:
        return Offer("north", "00", True, 9, None, abstains=abstains, seconds=seconds)

    assert slowest({1: offer(3.0), 2: offer(40.0)}) == 40.0
    assert slowest({1: offer(3.0), 2: offer(None, "few-patients")}) == 3.0
    assert slowest({1: offer(3.0), 2: offer(None)}) is None
    assert slowest({}) is None


def test_what_was_learnt_is_kept_from_one_process_to_the_next() -> None:
    """As the checkpoint holds it: the last three rounds of each kind."""
    found = LearnedDeadlines()
    for number in (1, 2, 3, 4):
        found.heard("train", number, 100.0 * number)
    assert found.known() == {"train": {2: 200.0, 3: 300.0, 4: 400.0}}
    again = deadlines_of(PatienceSection(), found.known())
    assert (again.of("train"), again.of("prepare")) == (1200, 3600)
    fixed = deadlines_of(PatienceSection(deadline=45.0), found.known())
    assert (fixed.of("train"), fixed.known()) == (45, {})


def test_a_number_is_the_deadline() -> None:
    found = deadlines_of(PatienceSection(deadline=45.0))
    found.heard("train", 1, 900.0)
    assert (found.of("train"), found.of("prepare")) == (45, 45)
    assert deadlines_of(PatienceSection()).of("train") == 3600


def listed(path: Path, **nodes: str) -> None:
    sites = [{"name": name, "node_id": node.removeprefix("n"), "fingerprint": "f"} for node, name in nodes.items()]
    path.write_text(json.dumps(sites))


def test_the_coordinators_list_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "sites.json"
    found = Register(path, {5: "north"})
    assert dict(found) == {5: "north"}, "there is no list yet"
    listed(path, n5="north", n6="south")
    assert dict(found) == {5: "north", 6: "south"}
    path.write_text("[{")
    assert found[6] == "south", "cut off: what was known before"
    listed(path)
    assert dict(found) == {} and bool(found), "nobody is registered: nobody takes part"


def rounds(*updated: tuple[str, ...]) -> Any:
    return SimpleNamespace(
        offers={}, rounds=(SimpleNamespace(sites=()), *(SimpleNamespace(sites=sites) for sites in updated))
    )


def test_who_took_part_in_little_is_named(compose_plan: Callable[..., Plan]) -> None:
    ledger = Ledger(None)
    ledger.write(prepared("north", 1, 600), prepared("south", 2, 300), prepared("west", 3, 100))
    plan = compose_plan()
    every = ("north", "south", "west")
    assert attendance(plan, rounds(every, every), ledger) == []
    few = rounds(every, ("south", "west"), ("north", "south"), ("north", "south"), ("north", "south"))
    assert attendance(plan, few, ledger) == [
        "north, the site with most training cases (600 of 1000), was missing from 1 of 5 round(s)",
        "west (100 of 1000 training cases) took part in 2 of 5 round(s)",
    ]
    assert attendance(plan, rounds(("south", "west"), every), ledger) == [
        "north, the site with most training cases (600 of 1000), was missing from 1 of 2 round(s)"
    ], "half of the rounds is not less than half"
    sampled = compose_plan("strategy.fraction=0.4")
    assert attendance(sampled, few, ledger) == []
    assert attendance(sampled, rounds(("north",), ("south",)), ledger) == [
        "west (100 of 1000 training cases) took part in 0 of 2 round(s)"
    ]
    assert attendance(plan, rounds(), ledger) == []
