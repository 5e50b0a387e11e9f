"""Between the initial and the trained head: by hand, the choice, and a whole run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from fedgraft.common.errors import RoundError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import ClassEvaluation, Classification
from fedgraft.server.rounds.interpolation import (
    BySite,
    Compared,
    Shared,
    best_share,
    compared,
    interpolated,
    require_figure,
)

TWO = Classification(("clear", "lesion"))
START = {"head.weight": torch.tensor([[0.0, 4.0]]), "adapters.a": torch.tensor([1.0])}
END = {"head.weight": torch.tensor([[2.0, 0.0]]), "adapters.a": torch.tensor([3.0])}


def scored(right: int) -> ClassEvaluation:
    """Of four cases of each class, so many have a score on the right side."""
    labels = np.array([0] * 4 + [1] * 4)
    side = np.where(labels == 1, 1.0, -1.0) * np.where(np.arange(8) % 4 < right, 1, -1)
    (found,) = TWO.evaluate_parts(np.stack([np.zeros(8), side], 1), labels, [8])
    return found


def by_weight(right: dict[float, int], sites: dict[float, list[str]] | None = None) -> Callable[[Shared], BySite]:
    """Evaluations that follow from the first weight of the head."""

    def evaluate(shared: Shared) -> BySite:
        weight = float(shared["head.weight"][0, 0])
        return {site: {"val": scored(right[weight])} for site in (sites or {}).get(weight, ["north"])}

    return evaluate


def test_a_quarter_by_hand() -> None:
    found = interpolated(START, END, 0.25, {"head.weight"})
    assert found["head.weight"].tolist() == [[0.5, 3.0]]
    assert found["adapters.a"].tolist() == [3.0]


def test_a_share_of_one_is_the_trained_head_to_the_bit() -> None:
    assert torch.equal(interpolated(START, END, 1.0, {"head.weight"})["head.weight"], END["head.weight"])


def test_the_best_share_on_validation_cases_wins() -> None:
    choice = best_share(START, END, (0.25, 0.5, 1.0), TWO, by_weight({0.5: 3, 1.0: 4, 2.0: 2}))
    assert choice.shared["head.weight"].tolist() == [[1.0, 2.0]]
    assert choice.figures[0.5] == 1.0
    assert sorted(choice.figures) == [0.25, 0.5, 1.0]


def test_of_equal_ones_the_most_trained_wins() -> None:
    choice = best_share(START, END, (1.0, 0.5), TWO, by_weight({1.0: 3, 2.0: 3}))
    assert torch.equal(choice.shared["head.weight"], END["head.weight"])


def test_without_shares_nothing_is_asked() -> None:
    choice = best_share(START, END, (), TWO, by_weight({}))
    assert choice.shared is END
    assert choice.figures == {}


def test_shares_are_compared_over_the_same_sites() -> None:
    """South answered for one share only: it is left out of both."""
    evaluate = by_weight({1.0: 3, 2.0: 3}, {1.0: ["north", "south"], 2.0: ["north"]})
    assert len(set(best_share(START, END, (0.5, 1.0), TWO, evaluate).figures.values())) == 1


def test_scores_in_too_few_groups_choose_nothing() -> None:
    """Four cases of each class: of groups of two cases six are needed. One that tells each score is asked alone."""
    evaluate = by_weight({1.0: 4, 2.0: 1}, {1.0: ["north", "south"], 2.0: ["north", "south"]})
    fine = best_share(START, END, (0.5, 1.0), TWO, evaluate, {"north": 1, "south": 1})
    assert fine.figures == {0.5: 1.0, 1.0: 0.25}
    coarse = best_share(START, END, (0.5, 1.0), TWO, evaluate, {"north": 2, "south": 2})
    assert coarse.shared is END and coarse.figures == {}
    told = compared({"a": evaluate(START | {"head.weight": torch.ones(1, 2)})}, TWO, {"north": 2, "south": 2})
    assert told == Compared({"a": None}, blurred=True)

    def unlike(shared: Shared) -> BySite:
        """South's figures would choose the trained head."""
        return {
            "north": evaluate(shared)["north"],
            "south": {"val": scored(4 if shared["head.weight"][0, 0] == 2 else 0)},
        }

    one = best_share(START, END, (0.5, 1.0), TWO, unlike, {"north": 0, "south": 2})
    assert one.figures == {0.5: 1.0, 1.0: 0.25} and one.shared["head.weight"].tolist() == [[1.0, 2.0]]


def test_without_validation_cases_nothing_can_be_chosen() -> None:
    with pytest.raises(RoundError, match=r"initial\.interpolate: no site gave an evaluation of its validation cases"):
        best_share(START, END, (0.5, 1.0), TWO, lambda shared: {"north": {}})


def test_it_is_said_in_the_first_round(federate: Callable[..., Any], compose_plan: Callable[..., Plan]) -> None:
    """Two validation cases at each site are fewer than min_count."""
    plan = compose_plan("initial=prototypes", "initial.interpolate=[0.5,1.0]", "data.val_fraction=0.07", "rounds=50")
    with pytest.raises(RoundError, match=r"initial\.interpolate: no site gave an evaluation"):
        federate(plan)
    require_figure((), {}, TWO)
    require_figure((0.5, 1.0), {"north": {"val": scored(2)}}, TWO)


def test_a_run_ends_with_the_best(federate: Callable[..., Any], compose_plan: Callable[..., Plan]) -> None:
    start = ("initial=prototypes", "rounds=3", "train.lr=1.0")
    plain = federate(compose_plan(*start), out="plain")
    mixed = federate(compose_plan(*start, "initial.interpolate=[0.25,0.5,1.0]"), out="mixed")
    figures = mixed.outcome.interpolations
    best = max(share for share, value in figures.items() if value == max(figures.values()))
    last = mixed.outcome.rounds[-1]
    assert last.pooled("val").figures()["auroc"] == figures[best]
    assert plain.outcome.rounds[-1].pooled("val").figures()["auroc"] == figures[1.0]
    entries = [e for e in mixed.ledger.entries if e.what == "interpolate"]
    assert len(entries) == 9
    assert {e.outcome for e in entries} == {"ok"}
