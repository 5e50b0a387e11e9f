"""Hospitals register, join, leave and come back during a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common import tensors
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
Federations = Callable[..., Any]


def test_a_newcomer_trains_in_the_next_round(federations: Federations, compose_plan: Composer) -> None:
    """Cedar's node is connected before it is registered, and is asked nothing until then."""
    plan = compose_plan("rounds=4")
    one = federations(plan)
    everyone = dict(one.registered)
    one.register({1000: "alder", 1001: "birch"})
    one.after[2] = lambda: one.register(everyone)
    one.run(plan)
    assert [line["updated"] for line in one.rounds()[1:]] == [["alder", "birch"]] * 2 + [
        ["alder", "birch", "cedar"]
    ] * 2
    assert [(line["round"], line["outcome"]) for line in one.ledger("prepare") if line["site"] == "cedar"] == [
        (3, "ok")
    ]
    rested = [line["rested_on"] for line in one.rounds()[1:]]
    assert [(one["sites"], one["of_sites"]) for one in rested] == [(2, 2), (2, 2), (3, 3), (3, 3)]
    assert rested[1]["cases"] == rested[1]["of_cases"] < rested[2]["cases"] == rested[2]["of_cases"]


def test_who_is_unregistered_is_dropped_at_once(federations: Federations, compose_plan: Composer) -> None:
    """Before round 2, and while round 3 waits for its answer."""
    plan = compose_plan("rounds=3", "patience.quorum_sites=1")
    one = federations(plan)
    one.after[1] = lambda: one.register({1000: "alder", 1001: "birch"})

    def during() -> None:
        one.town.delays[1001] = [20.0]
        one.wound.events[one.wound.seconds + 10] = lambda: one.register({1000: "alder"})

    one.after[2] = during
    one.run(plan)
    assert [line["updated"] for line in one.rounds()[1:]] == [
        ["alder", "birch", "cedar"],
        ["alder", "birch"],
        ["alder"],
    ]
    refused = [
        (line["round"], line["what"], line["site"], line["reason"])
        for line in [*one.ledger("prepare"), *one.ledger()]
        if line["outcome"] == "unregistered"
    ]
    why = "the coordinator has not registered the site, or no longer"
    assert refused == [(2, "prepare", "cedar", why), (3, "train", "birch", why)]


def test_who_comes_back_goes_on_with_its_own_state(federations: Federations, compose_plan: Composer) -> None:
    """Cedar is away for a moment, and registers a new key: its node has another number, its model of its own stays."""
    plan = compose_plan("rounds=3", "personal=ditto", "patience.quorum_sites=3", "engine.threads=1")
    quiet, one = federations(plan, "quiet"), federations(plan)
    expected = quiet.run(plan)

    def moves() -> None:
        one.town.moves(1002, 7)
        one.register({1000: "alder", 1001: "birch"})
        one.wound.events[one.wound.seconds + 40] = lambda: one.register({1000: "alder", 1001: "birch", 7: "cedar"})

    one.after[1] = moves
    found = one.run(plan)
    assert tensors.digest(found.shared) == tensors.digest(expected.shared)
    kept = [sorted((run.folder / "sites" / "cedar").glob("state/local/*.safetensors")) for run in (quiet, one)]
    assert kept[0] and [tensors.digest(tensors.load(path)) for path in kept[0]] == [
        tensors.digest(tensors.load(path)) for path in kept[1]
    ]
    assert {line["node"] for line in one.ledger() if line["site"] == "cedar"} == {1002, 7}
    assert one.summary()["warnings"] == quiet.summary()["warnings"]


def test_a_late_answer_is_refused_by_name(federations: Federations, compose_plan: Composer) -> None:
    """Birch answers round 2 after 100 s, while round 3 waits for alder: 40 s after the deadline. The coordinator looks
    every second by then, and sees it in the 41st."""
    plan = compose_plan("rounds=4", "patience.deadline=60")
    one = federations(plan)
    one.town.delays = {1001: [0.0, 100.0], 1000: [0.0, 0.0, 55.0]}
    one.run(plan)
    lines = [(line["round"], line["site"], line["outcome"], line["reason"]) for line in one.ledger()]
    assert [line for line in lines if line[2] != "ok"] == [
        (2, "birch", "no-answer", "no reply within the deadline (patience.deadline)"),
        (2, "birch", "late", "refused: it came 41 s after the deadline of round 2"),
    ]
    assert [line["updated"] for line in one.rounds()[2:]] == [["alder", "cedar"], *[["alder", "birch", "cedar"]] * 2]
    total = sum(line["examples"] for line in one.ledger("prepare"))
    birch = next(line["examples"] for line in one.ledger("prepare") if line["site"] == "birch")
    assert one.rounds()[2]["rested_on"] == {"sites": 2, "of_sites": 3, "cases": total - birch, "of_cases": total}
