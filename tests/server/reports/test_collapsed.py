"""A model that gives all cases one score is named, with what to do; one that ranks them is not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire.offer import Offer
from fedgraft.server.reports.collapsed import collapsed_sentences
from fedgraft.server.rounds.state import Round, RunOutcome

PlanOf = Callable[..., Plan]


def sentences(plan: Plan, scores: dict[str, list[float]], merged: int = 1, told: int = 0) -> list[str]:
    """Of a run whose final model gives the cases of each site these log odds, every second of which is positive."""
    task = tasks.of(plan.data)
    by_site = {}
    for name, odds in scores.items():
        outputs, labels = np.array([[0.0, one] for one in odds]), np.arange(len(odds)) % 2
        by_site[name] = {"test": task.evaluate_parts(outputs, labels, [len(odds)])[0].merged(merged)}
    last = Round(1, task, sites=tuple(scores), by_site=by_site)
    offers = {name: Offer(name, plan.digest, True, 9, None, grouped=told) for name in scores}
    return collapsed_sentences(plan, RunOutcome({}, (last,), offers, last))


@pytest.mark.parametrize("merged", [1, 5])
def test_equal_scores_are_said_with_the_rate(compose_plan: PlanOf, merged: int) -> None:
    found = sentences(compose_plan("train.lr=0.5"), {"north": [-2.0] * 20, "south": [-1.0] * 20}, merged)
    assert found == [
        "the final model gives all cases of a hospital the same score: its training has collapsed, or never began; "
        "train.lr=0.5 may be too large: try a tenth of it"
    ]


def test_the_exact_head_has_no_rate(compose_plan: PlanOf) -> None:
    (found,) = sentences(compose_plan("strategy=exact", "head=plain"), {"north": [0.0] * 20})
    assert found.endswith("or never began")


@pytest.mark.parametrize(
    "scores",
    [{"north": [-2.0] * 20, "south": [-2.0] * 19 + [1.0]}, {"north": [-2.0] * 9}, {}],
    ids=["one differs", "few cases", "nobody told"],
)
def test_nothing_is_said_of(compose_plan: PlanOf, scores: dict[str, list[float]]) -> None:
    assert sentences(compose_plan(), scores) == []


def test_scores_in_too_few_groups_do_not_say_it(compose_plan: PlanOf) -> None:
    few = {f"s{number}": [-1.0, 1.0, -2.0, 2.0] for number in range(9)}
    assert sentences(compose_plan(), few, merged=5, told=5) == []
    assert sentences(compose_plan(), few | {"big": [0.5] * 40}, merged=5, told=5) != []
    assert sentences(compose_plan(), few | {"big": [one / 10 for one in range(80)]}, merged=5, told=5) == []
