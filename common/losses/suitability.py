"""Check that a plan's loss suits its task and options, and build it.

A loss class names its tasks in ``tasks`` (without it: classification). Its constructor takes ``class_weights`` or
``class_counts`` if it needs them. ``leaves_out_absent`` is true if its prior already leaves out classes without cases;
``convex`` is false if it is not convex in the outputs. ``divisor(labels)`` is the number by which it divides its sum
over a batch, if that is not the number of cases (`total`).
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
from fedgraft.common.plan.choice_names import choice_of
from fedgraft.common.plan.data_sections import DataSection
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import LossSection
from fedgraft.common.plan.types import OURS


def misfit(found: object, loss: LossSection, data: DataSection) -> str | None:
    """Why the loss class ``found``, which ``loss`` names, does not suit the task of ``data``; ``None`` if it does."""
    meant = getattr(found, "tasks", ("classification",))
    if data.task in meant:
        return None
    return (
        f"loss={choice_of('loss', loss.target, loss.options)} is for data.task={' or '.join(meant)}, not {data.task}; "
        f"set loss={tasks.of(data).loss}"
    )


def without_effect(found: Callable[..., Any], loss: LossSection) -> list[str]:
    """The options of ``loss`` that the class ``found`` does not use, and what the class needs but is not given."""
    takes = signature(found).parameters
    name = choice_of("loss", loss.target, loss.options)
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
    """Check the plan's loss: its task, that every option of the section has an effect, and its own options' values.

    A loss of a package that is not in ``allowed`` is not checked here; the sites check it.

    Raises:
        PlanError: something does not suit; the message says what to set.
    """
    if not parts.is_within(plan.loss.target, (*allowed, notebook.PACKAGE)):
        return
    found = parts.resolve(plan.loss.target, "loss", allowed)
    problem = misfit(found, plan.loss, plan.data)
    problems = [problem] if problem is not None else without_effect(found, plan.loss)
    if problems:
        raise PlanError(problems)
    task = tasks.of(plan.data)
    counts = task.count(task.some_labels(2 * plan.data.outputs))  # counts as a site could have them
    weighed, prior = (None if asked == "none" else counts for asked in (plan.loss.weights, plan.loss.prior))
    built(plan, weighed, prior, allowed)


def total(loss: Callable[[Tensor, Tensor], Tensor], outputs: Tensor, labels: Tensor) -> Tensor:
    """A loss's sum over a batch of at least one case, a scalar: its mean times what it has divided by.

    That is its own ``divisor(labels)``, or, without such a method, the number of cases: a loss that divides by anything
    else must have one.
    """
    divisor = getattr(loss, "divisor", None)
    mean = loss(outputs, labels)
    return mean * (len(labels) if divisor is None else divisor(labels))


def built(
    plan: Plan, weighed: tuple[int, ...] | None, prior: tuple[int, ...] | None, allowed: Iterable[str]
) -> nn.Module:
    """Build the plan's loss, without the masking of classes that a site lacks.

    Args:
        weighed: the task's counts from which class weights are computed; ``None`` for no weights.
        prior: the counts passed as ``class_counts``; ``None`` for none.

    Raises:
        PlanError: the class is not allowed, or does not take an option.
    """
    chosen, task = plan.loss, tasks.of(plan.data)
    weights = None if weighed is None else task.weights(weighed, chosen.scheme, chosen.beta)
    supplied: dict[str, Tensor | None] = {"class_weights": weights}
    if prior is not None:
        supplied["class_counts"] = torch.tensor(prior, dtype=torch.float32)
    loss: nn.Module = parts.build(chosen.target, "loss", chosen.options, allowed, **supplied)
    return loss
