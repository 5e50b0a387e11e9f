"""Which losses suit a plan: a loss class names its tasks in ``tasks``; one that names none is for classification.

It asks for class weights or counts by taking ``class_weights`` or ``class_counts``, and says by ``leaves_out_absent``
that its own prior already leaves out classes that have no case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import notebook, parts
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import LossSection
from fedgraft.common.plan.types import OURS


def misfit(found: object, loss: LossSection, data: DataSection) -> str | None:
    """What is wrong with ``loss``, which names the class ``found``, for the task of ``data``; ``None`` if nothing."""
    meant = getattr(found, "tasks", ("classification",))
    if data.task in meant:
        return None
    return (
        f"loss._target_={loss.target} is for data.task={' or '.join(meant)}, not {data.task}; "
        f"set loss={tasks.of(data).loss}"
    )


def without_effect(found: Callable[..., Any], loss: LossSection) -> list[str]:
    """What ``loss`` asks of the class ``found`` that it does not do, and what the class needs and is not given."""
    takes = signature(found).parameters
    name = getattr(found, "__name__", loss.target)
    problems = []
    if loss.weights != "none" and "class_weights" not in takes:
        problems.append(f"loss.weights={loss.weights} has no effect: {name} takes no class_weights")
    if loss.prior != "none" and "class_counts" not in takes:
        problems.append(
            f"loss.prior={loss.prior} has no effect: {name} takes no class_counts; set it to none, or use "
            "loss=logit_adjusted or ldam"
        )
    if loss.prior == "none" and "class_counts" in takes:
        problems.append(f"loss.prior=none, but {name} needs class counts; set it to global or local")
    if loss.prior == "local" and loss.absent == "mask" and getattr(found, "leaves_out_absent", False):
        problems.append(
            f"loss.absent=mask has no effect: with loss.prior=local, {name} leaves out absent classes already; set it "
            "to keep"
        )
    return problems


def require_suited(plan: Plan, allowed: Iterable[str] = OURS) -> None:
    """Refuse a plan whose loss is for another task, leaves an option of the plan without effect, or does not take the
    value of one of its own. A loss of a package that is not allowed here is left to the sites.

    Raises:
        PlanError: says what to set.
    """
    if not parts.is_within(plan.loss.target, (*allowed, notebook.PACKAGE)):
        return
    found = parts.resolve(plan.loss.target, "loss", allowed)
    problem = misfit(found, plan.loss, plan.data)
    problems = [problem] if problem is not None else without_effect(found, plan.loss)
    if problems:
        raise PlanError(problems)
    task = tasks.of(plan.data)
    counts = task.count(task.some_labels(2 * plan.data.outputs))  # such as a site could have
    weighed, prior = (None if asked == "none" else counts for asked in (plan.loss.weights, plan.loss.prior))
    built(plan, weighed, prior, allowed)


def built(
    plan: Plan, weighed: tuple[int, ...] | None, prior: tuple[int, ...] | None, allowed: Iterable[str]
) -> nn.Module:
    """The plan's loss, which knows nothing of what a site lacks.

    Args:
        weighed: the counts that class weights follow from; ``None`` for no weights.
        prior: the counts that the loss itself asks for; ``None`` for none.

    Raises:
        PlanError: it is not allowed, or does not take an option.
    """
    chosen, task = plan.loss, tasks.of(plan.data)
    weights = None if weighed is None else task.weights(weighed, chosen.scheme, chosen.beta)
    supplied: dict[str, Tensor | None] = {"class_weights": weights}
    if prior is not None:
        supplied["class_counts"] = torch.tensor(prior, dtype=torch.float32)
    loss: nn.Module = parts.build(chosen.target, "loss", chosen.options, allowed, **supplied)
    return loss
