"""A site that goes away in a round and is back within seconds is asked again, and the round does without nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fedgraft.common import tensors
from fedgraft.common.plan.plan import Plan

Composer = Callable[..., Plan]
Federations = Callable[..., Any]
PLAN = ("rounds=3", "compression=topk", "engine.threads=1", "patience.quorum_sites=2")


def goes_away(one: Any, back_after: float | None) -> None:
    """After round 1: birch is asked, and gone; back after so many seconds, or never."""
    town, wound = one.town, one.wound

    def leaves() -> None:
        town.connected.discard(1001)

    def returns() -> None:
        town.failing.discard(1001)
        town.connected.add(1001)

    def asked() -> None:
        town.failing.add(1001)
        wound.events[wound.seconds + 0.05] = leaves
        if back_after is not None:
            wound.events[wound.seconds + back_after] = returns

    one.after[1] = asked


def test_it_is_asked_again_and_the_bits_are_the_same(federations: Federations, compose_plan: Composer) -> None:
    """Twice: it says that it is gone while it still counts as connected, and once more when it is back."""
    plan = compose_plan(*PLAN)
    quiet, one = federations(plan, "quiet"), federations(plan)
    expected = quiet.run(plan)
    goes_away(one, 20.0)
    found = one.run(plan)
    assert tensors.digest(found.shared) == tensors.digest(expected.shared)
    assert one.summary()["dropped"] == []
    why = "train: the site went away before it answered, and was asked again when it was back"
    assert [(line["round"], line["site"], line["reason"]) for line in one.ledger("again")] == [(2, "birch", why)] * 2
    assert 20 <= one.wound.seconds < 25


def test_who_does_not_come_back_costs_the_round_half_a_minute(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan(*PLAN)
    one = federations(plan)
    goes_away(one, None)
    one.run(plan)
    assert [line["updated"] for line in one.rounds()[2:]] == [["alder", "cedar"]] * 2
    dropped = [(line["round"], line["site"], line["outcome"]) for line in one.ledger() if line["outcome"] != "ok"]
    assert dropped == [(2, "birch", "unreachable")]
    assert 30 <= one.wound.seconds < 35


def test_who_is_unregistered_meanwhile_is_not_waited_for(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan(*PLAN)
    one = federations(plan)
    goes_away(one, None)
    left = one.after[1]

    def asked() -> None:
        left()
        one.wound.events[one.wound.seconds + 3.0] = lambda: one.register({1000: "alder", 1002: "cedar"})

    one.after[1] = asked
    one.run(plan)
    assert 3 <= one.wound.seconds < 8
