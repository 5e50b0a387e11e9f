"""A deployed run below its quorum waits, says for whom, and repeats the round; its model is that of a quiet day."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fedgraft.common import tensors
from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.course import Course, Keeping
from fedgraft.server.checkpoints.folder import Checkpoints
from fedgraft.server.patience.waiting import WAITING

Composer = Callable[..., Plan]
Federations = Callable[..., Any]
THREE = ("patience.quorum_sites=3", "rounds=3", "engine.threads=1")
AWAY = {
    "code": "not-connected",
    "what": "its `fedgraft site start` does not run, or has no line to here; it is asked as soon as it is connected",
}
EXACT = ("strategy=exact", "head=plain", "features=taps")


@pytest.mark.parametrize(
    ("options", "silent"),
    [(("compression=topk",), True), (("personal=ditto",), True), (("adaptation=fedbn",), False), (EXACT, True)],
    ids=["topk", "ditto", "fedbn", "exact"],
)
def test_it_waits_and_ends_with_the_same_bits(
    federations: Federations, compose_plan: Composer, options: tuple[str, ...], silent: bool
) -> None:
    """In round 2 cedar is away for 200 s; or it is there, and answers 50 s too late."""
    plan = compose_plan(*THREE, "patience.deadline=100", *options)
    quiet, one = federations(plan, "quiet"), federations(plan)
    expected = quiet.run(plan)

    def trouble() -> None:
        if silent:
            one.town.delays[1002] = [150.0]
        else:
            one.town.connected.discard(1002)
            one.wound.events[one.wound.seconds + 200] = lambda: one.town.connected.add(1002)

    one.after[1] = trouble
    found = one.run(plan)
    assert tensors.digest(found.shared) == tensors.digest(expected.shared)
    assert [line["updated"] for line in one.rounds()] == [line["updated"] for line in quiet.rounds()]
    assert not (one.out / WAITING).exists()
    assert 150 <= one.wound.seconds < 300
    assert quiet.wound.seconds == 0
    if silent:
        late = [line for line in one.ledger("gradient" if options is EXACT else "train") if line["outcome"] == "late"]
        assert [(line["site"], line["round"]) for line in late] == [("cedar", 2)]
        assert late[0]["reason"].startswith("refused: it came 5")
        assert late[0]["reason"].endswith("s after the deadline of round 2")


def test_it_says_who_is_missing_and_since_when(
    federations: Federations, compose_plan: Composer, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = compose_plan(*THREE, "patience.wait=7200")
    one = federations(plan)
    seen: list[dict[str, Any]] = []

    def look() -> None:
        seen.append(json.loads((one.out / WAITING).read_text()))

    def leave() -> None:
        one.town.connected.clear()
        began = one.wound.seconds
        one.wound.events |= {
            began + 90: look,
            began + 100: lambda: one.town.connected.update({1000, 1002}),
            began + 200: look,
            began + 250: lambda: one.town.connected.add(1001),
        }

    one.wound.seconds = 30.0
    one.after[1] = leave
    one.run(plan)
    assert seen[0] == {
        "round": 2,
        "since": "2026-11-30T08:00:30+00:00",
        "until": "2026-11-30T10:00:30+00:00",
        "needed": {"sites": 3, "cases": 0.0},
        "present": [],
        "missing": ["alder", "birch", "cedar"],
        "missing_since": dict.fromkeys(("alder", "birch", "cedar"), "2026-11-30T08:00:30+00:00"),
        "causes": dict.fromkeys(("alder", "birch", "cedar"), AWAY),
        "reason": "round 2: 0 site(s) ready to train, patience.quorum_sites=3 are needed",
    }
    assert (seen[1]["present"], seen[1]["missing"]) == (["alder", "cedar"], ["birch"])
    assert seen[1]["since"] == seen[0]["since"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("waiting: ")]
    assert len(lines) == 5, "one a minute, and one when the causes changed"
    assert lines[0] == (
        "waiting: round 2: 0 site(s) ready to train, patience.quorum_sites=3 are needed; missing: alder "
        "(not-connected, since 30 Nov 08:00 UTC), birch (not-connected, since 30 Nov 08:00 UTC), cedar (not-connected, "
        "since 30 Nov 08:00 UTC); without them the run ends on 30 Nov 10:00 UTC"
    )
    assert "missing: birch (not-connected, since" in lines[-1]


def test_patience_ends(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan(*THREE, "patience.wait=300")
    one = federations(plan)
    one.after[2] = lambda: one.town.connected.discard(1002)
    with pytest.raises(RoundError) as caught:
        one.run(plan)
    head = str(caught.value).splitlines()[0]
    assert head == (
        "round 3: 2 site(s) ready to train, patience.quorum_sites=3 are needed; patience.wait=300 seconds are over"
    )
    assert one.wound.seconds == 300
    assert not (one.out / WAITING).exists()
    assert (one.summary()["complete"], one.summary()["completed_rounds"]) == (False, 2)
    assert one.summary()["reason"] == head


def test_a_run_that_is_stopped_while_it_waits_does_not_wait_any_more(
    federations: Federations, compose_plan: Composer
) -> None:
    plan = compose_plan(*THREE)
    one = federations(plan)

    def stop() -> None:
        assert (one.out / WAITING).exists()
        raise KeyboardInterrupt

    def leave() -> None:
        one.town.connected.discard(1002)
        one.wound.events[100] = stop

    one.after[1] = leave
    with pytest.raises(KeyboardInterrupt):
        one.run(plan)
    assert not (one.out / WAITING).exists()


def test_a_simulation_ends_at_once(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan(*THREE, "patience.deadline=1")
    one = federations(plan)
    one.after[1] = lambda: one.town.connected.discard(1002)
    with pytest.raises(RoundError, match=r"round 2: 2 site.* ready to train, patience.quorum_sites=3 are needed\n"):
        one.run(plan, patient=False)
    assert one.wound.seconds == 0


def test_it_waits_for_the_first_sites_and_those_held_out(federations: Federations, compose_plan: Composer) -> None:
    plan = compose_plan("hold_out=[birch]", "rounds=1")
    one = federations(plan)
    one.town.connected = {1000}
    one.wound.events = {50: lambda: one.town.connected.add(1002), 500: lambda: one.town.connected.add(1001)}
    missing: list[list[str]] = []
    for second in (49, 499):
        one.wound.events[second] = lambda: missing.append(json.loads((one.out / WAITING).read_text())["missing"])
    assert sorted(one.run(plan).offers) == ["alder", "birch", "cedar"]
    assert missing == [["cedar"], ["birch"]]
    assert 500 <= one.wound.seconds < 510


def test_the_largest_hospital_is_not_dropped_in_silence(federations: Federations, compose_plan: Composer) -> None:
    """Two of three would be enough sites, but not enough of the cases."""
    plan = compose_plan("patience.quorum_cases=0.9", "rounds=2")
    one = federations(plan)

    def leave() -> None:
        one.town.connected.discard(1000)
        one.wound.events[1000] = lambda: one.town.connected.add(1000)

    one.after[1] = leave
    one.run(plan)
    assert 1000 <= one.wound.seconds < 1010
    assert [line["rested_on"]["sites"] for line in one.rounds()[1:]] == [3, 3]
    other = federations(plan, "other")
    other.after[1] = lambda: other.town.connected.discard(1000)
    cases = {line["site"]: line["examples"] for line in one.ledger("prepare")}
    some, total = cases["birch"] + cases["cedar"], sum(cases.values())
    words = rf"round 2: 2 site\(s\) with {some} of {total} training cases ready to train, patience.quorum_cases=0.9"
    with pytest.raises(RoundError, match=words):
        other.run(plan, patient=False)


def test_sites_that_fail_are_asked_again_now_and_then(federations: Federations, compose_plan: Composer) -> None:
    """After 60, 180, 420 and 900 s, and every ten minutes."""
    plan = compose_plan(*THREE, "patience.wait=2000")
    one = federations(plan)
    one.after[1] = lambda: one.town.failing.add(1002)
    with pytest.raises(RoundError, match=r"(?s)2 site\(s\) sent a usable update.*wait=2000.*cedar: unreachable"):
        one.run(plan)
    failed = [line for line in one.ledger() if line["outcome"] == "unreachable"]
    assert [line["site"] for line in failed] == ["cedar"] * 7, "at 0, 60, 180, 420, 900, 1500 and 2000 s"
    assert 2000 <= one.wound.seconds < 2005, "an error is an answer: nobody waits for the deadline"


def test_a_run_that_goes_on_waits_as_long_as_before(federations: Federations, compose_plan: Composer) -> None:
    """Its checkpoint holds how long answers took: 500 s in round 1."""
    plan = compose_plan("rounds=2", "engine.threads=1")
    one = federations(plan)
    one.town.delays[1001] = [500.0]
    one.run(plan)
    kept = Checkpoints(one.out).read().durations["train"]
    assert set(kept) == {1, 2} and 500 <= kept[1] < 510 and kept[2] < 10
    assert Course.open(one.out, plan, Keeping(resume=True, durable=False), {}).durations["train"] == kept


def test_the_first_round_goes_by_the_sites_own_estimates(federations: Federations, compose_plan: Composer) -> None:
    """Small sites reckon with seconds: one that is connected and silent costs the first round ten minutes, no hour."""
    plan = compose_plan("rounds=2", "engine.threads=1", "patience.quorum_sites=2")
    one = federations(plan)
    one.town.delays[1001] = [5000.0]
    one.run(plan)
    assert 600 <= one.wound.seconds < 610
    assert [(line["round"], line["site"]) for line in one.ledger() if line["outcome"] == "no-answer"] == [(1, "birch")]
