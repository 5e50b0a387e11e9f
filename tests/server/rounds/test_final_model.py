"""Which model a run ends with, told by hand: the last, the best so far, or one between the first and the last."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from fedgraft.common.errors import UndefinedFigureError
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.classification import Classification
from fedgraft.server.rounds.final_model import FinalModel
from fedgraft.server.rounds.interpolation import BySite, Shared

Composer = Callable[..., Plan]
TASK = Classification(("clear", "lesion"))
FIRST, LAST = {"head.weight": torch.tensor([0.0])}, {"head.weight": torch.tensor([8.0])}


def told(right: int) -> BySite:
    """One site's validation cases, four of each class: so many of each have a score on the right side."""
    labels = np.array([0] * 4 + [1] * 4)
    side = np.where(labels == 1, 1.0, -1.0) * np.where(np.arange(8) % 4 < right, 1, -1)
    return {"north": {"val": TASK.evaluate_parts(np.stack([np.zeros(8), side], 1), labels, [8])[0]}}


def ended(final: FinalModel, evaluate: Callable[[Shared], BySite]) -> tuple[int, float, int]:
    """After rounds 0 to 2 with 1, 4 and 2 right scores: the final round, its tensor, and how many shares were tried."""
    for number, (right, value) in enumerate([(1, 0.0), (4, 4.0)]):
        final = final.heard(number, TASK, told(right), {"head.weight": torch.tensor([value])})
    choice = final.proposed(LAST, TASK, evaluate)
    final = final.heard(2, TASK, told(2), choice.shared)
    number, shared = final.chosen(2, choice.shared)
    return number, float(shared["head.weight"]), len(choice.figures)


def not_asked(shared: Shared) -> BySite:
    raise AssertionError("nobody is asked")


def test_by_default_it_is_the_last_round_s(compose_plan: Composer) -> None:
    assert ended(FinalModel(compose_plan(), FIRST), not_asked) == (2, 8.0, 0)


def test_the_best_round_s_is_had_back(compose_plan: Composer) -> None:
    assert ended(FinalModel(compose_plan("select=best"), FIRST), not_asked) == (1, 4.0, 0)


def test_where_scores_came_in_too_few_groups_the_last_is_taken(compose_plan: Composer) -> None:
    """Four cases of each class are fewer than three groups of two; of one case, they are four groups."""
    for size, end in ((2, (2, 8.0)), (1, (1, 4.0))):
        final = FinalModel(compose_plan("select=best"), FIRST)
        for number, (right, value) in enumerate([(1, 0.0), (4, 4.0), (2, 8.0)]):
            shared = {"head.weight": torch.tensor([value])}
            final = final.heard(number, TASK, told(right), shared, {"north": size})
        number, chosen = final.chosen(2, shared)
        assert (number, float(chosen["head.weight"])) == end


def test_a_share_of_the_trained_head_takes_the_place_of_the_last(compose_plan: Composer) -> None:
    plan = compose_plan("initial=prototypes", "initial.interpolate=[0.25,0.5,1.0]")
    right = {2.0: 4, 4.0: 3, 8.0: 2}
    found = ended(FinalModel(plan, FIRST), lambda shared: told(right[float(shared["head.weight"])]))
    assert found == (2, 2.0, 3)


@pytest.mark.parametrize("options", [("select=best",), ("initial=prototypes", "initial.interpolate=[0.5,1.0]")])
def test_that_nothing_will_tell_is_said_after_round_0_only(compose_plan: Composer, options: tuple[str, ...]) -> None:
    final = FinalModel(compose_plan(*options), FIRST)
    with pytest.raises(UndefinedFigureError, match=r"select=best: in the first|initial\.interpolate: no site gave"):
        final.heard(0, TASK, {"north": {}}, FIRST)
    heard = final.heard(0, TASK, told(3), FIRST)
    assert heard.heard(1, TASK, {"north": {}}, LAST).chosen(0, FIRST) == (0, FIRST)
