"""A loss says for which tasks it is; a plan with another is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.losses.suitability import misfit, require_suited
from fedgraft.common.models.build import build
from fedgraft.common.plan.plan import Plan

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


@pytest.mark.parametrize(
    ("overrides", "text"),
    [
        (("loss=focal", "loss.gamma=-1"), "loss.gamma=-1 must be above 0; at 0 it is cross-entropy"),
        (("loss=logit_adjusted", "loss.tau=0"), "loss.tau=0 must be above 0; at 0 it is cross-entropy"),
        (("loss=ldam", "loss.weights=local", "loss.scale=-2"), "loss.scale=-2 must be above 0"),
    ],
)
def test_a_value_that_the_loss_refuses_is_refused_before_anything_is_trained(
    plan_of: PlanOf, overrides: tuple[str, ...], text: str
) -> None:
    """By the coordinator as it starts, and on both sides and in ``fedgraft plan`` when the model is built."""
    plan = plan_of(*overrides)
    for refuses in (require_suited, lambda plan: build(plan, None)):
        with pytest.raises(PlanError) as caught:
            refuses(plan)
        assert text in str(caught.value)


@pytest.mark.parametrize("weights", ["none", "local", "global"])
def test_a_loss_is_built_for_every_task_with_weights_or_without(plan_of: PlanOf, weights: str) -> None:
    findings = "data.task=multilabel", "data.classes=[a,b,c]", "loss=binary_cross_entropy"
    require_suited(plan_of(*findings, f"loss.weights={weights}"))
    require_suited(plan_of(f"loss.weights={weights}"))
