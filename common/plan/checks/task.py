"""Checks of the options that a plan's task does not allow or leaves without effect."""

from __future__ import annotations

from typing import Any

from fedgraft.common import tasks
from fedgraft.common.interfaces.task import AnyTask
from fedgraft.common.plan.checks.augmentation import MIXES
from fedgraft.common.plan.checks.transfer import asks_sums


def task_contradictions(plan: Any) -> list[str]:
    """One sentence for each problem; ``plan`` has the sections that could be read."""
    data = getattr(plan, "data", None)
    if data is None:
        return []
    task = tasks.of(data)
    problems = [task.problem] if task.problem else []
    if not task.has_classes:
        problems += _without_classes(plan, task)
    if not task.one_class_per_case:
        problems += _without_one_class(plan)
    if task.not_mixable and (augment := getattr(plan, "augment", None)) is not None:
        problems += [
            f"augment.{name} has no meaning with data.task={task.name}: {task.not_mixable}; set it to 0"
            for name in MIXES
            if getattr(augment, name) > 0
        ]
    return problems


def _without_classes(plan: Any, task: AnyTask) -> list[str]:
    loss = getattr(plan, "loss", None)
    neutral = {"weights": "none", "prior": "none", "absent": "keep"}
    return [
        f"loss.{option} has no effect with data.task={task.name}, which has no classes; set it to {value}"
        for option, value in neutral.items()
        if loss is not None and getattr(loss, option) != value
    ]


def _without_one_class(plan: Any) -> list[str]:
    problems = []
    alignment, sampling = getattr(plan, "alignment", None), getattr(plan, "sampling", None)
    if alignment is not None and alignment.per_class:
        problems.append(
            "alignment.per_class=true needs data.task=classification, in which each case has one class; set it to false"
        )
    if sampling is not None and sampling.target is not None:
        problems.append(
            "sampling goes by a case's one class, which only data.task=classification has; set sampling=none"
        )
    if getattr(plan, "initial", None) is not None and asks_sums(plan):
        problems.append(
            "initial=prototypes and initial=ridge need data.task=classification: one class per case; use initial=none"
        )
    return problems
