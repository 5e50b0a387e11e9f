"""A loss says for which tasks it is; a plan with another is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import Plan
from fedgraft.common.tasks.losses import misfit, require_suited

PlanOf = Callable[..., Plan]


class Unsaid:
    """A loss that does not name its tasks."""


def with_task(plan: Plan, task: str) -> Plan:
    return replace(plan, data=replace(plan.data, task=task))


@pytest.mark.parametrize("task", sorted(tasks.TASKS))
def test_the_loss_that_a_task_names_suits_it_and_no_other(plan_of: PlanOf, task: str) -> None:
    classes = "[]" if task == "survival" else "[a,b]"
    loss = tasks.TASKS[task](("a", "b")).loss
    plan = plan_of(f"data.task={task}", f"data.classes={classes}", f"loss={loss}")
    require_suited(plan)
    for other in sorted(set(tasks.TASKS) - {task}):
        suits = tasks.of(with_task(plan, other).data).loss
        with pytest.raises(PlanError, match=rf"is for data\.task={task}, not {other}; set loss={suits}$"):
            require_suited(with_task(plan, other))


def test_a_loss_that_does_not_say_is_for_classification(plan_of: PlanOf) -> None:
    plan = plan_of()
    assert misfit(Unsaid, plan.loss, plan.data) is None
    assert misfit(Unsaid, plan.loss, with_task(plan, "multilabel").data) is not None


def test_a_loss_that_only_the_sites_have_is_left_to_them(plan_of: PlanOf) -> None:
    plan = with_task(plan_of(), "multilabel")
    require_suited(replace(plan, loss=replace(plan.loss, target="hospital.losses.Own")))
