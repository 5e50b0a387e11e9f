"""A coordinator that is killed in the middle of a question keeps which hospitals had failed in it, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.plan.plan import Plan
from fedgraft.server import app
from fedgraft.server.audit.verify import verify
from fedgraft.server.checkpoints.course import Keeping
from fedgraft.server.checkpoints.interrupted import conclude
from fedgraft.server.exchange.ledger import FAILURES

Composer = Callable[..., Plan]
Federations = Callable[..., Any]
PLAN = ("rounds=3", "patience.quorum_sites=2")


class Killed(BaseException):
    """Nothing of ours is done after it."""


def killed_in_round_2(one: Any, plan: Plan) -> None:
    """Birch is away as soon as it is asked; alder would take a while, in which the process is killed."""

    def kill() -> None:
        raise Killed

    def asked() -> None:
        one.town.failing.add(1001)
        one.town.delays[1000] = [500.0]
        one.wound.events[one.wound.seconds + 60.0] = kill

    one.after[1] = asked
    with pytest.raises(Killed):
        one.run(plan)
    one.town.failing.clear()


def lines(path: Path) -> list[tuple[int, str, str, str]]:
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [(one["round"], one["what"], one["site"], one["outcome"]) for one in found]


def test_what_had_failed_is_told(federations: Federations, compose_plan: Composer) -> None:
    """By the results of the rounds before, and again once the run goes on."""
    plan = compose_plan(*PLAN)
    one = federations(plan)
    killed_in_round_2(one, plan)
    away = (2, "train", "birch", "unreachable")
    assert lines(one.out / FAILURES) == [away]
    assert 2 not in {number for number, *_ in lines(one.out / "ledger.jsonl")}

    result = conclude(one.out, "it was killed")
    assert result is not None
    (dropped,) = result["dropped"]
    assert (dropped["round"], dropped["site"], dropped["outcome"]) == (2, "birch", "unreachable")
    assert lines(one.out / "ledger.jsonl")[-1] == away
    assert verify(one.out).is_clean and not (one.out / FAILURES).exists()

    app.serve(
        one.town, plan, one.out, None, lambda _: None, False, keeping=Keeping(7, True, False), clock=one.wound.clock
    )
    assert lines(one.out / "ledger-lost.jsonl") == [away]
    assert "the site went away before it answered" in (one.out / "ledger-lost.jsonl").read_text()
    trained = [(number, site) for number, what, site, outcome in lines(one.out / "ledger.jsonl") if what == "train"]
    assert sorted(trained) == [(number, site) for number in (1, 2, 3) for site in ("alder", "birch", "cedar")]
    found = verify(one.out)
    assert found.is_clean and found.lost == 1
