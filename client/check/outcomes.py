"""The outcome of each case (a class, a finding, an event) by the plan's task, or by the manifest without a plan."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fedgraft.client.cohort.case import Case
from fedgraft.common.interfaces.task import AnyTask, Outcome
from fedgraft.common.tasks.classification import Classification
from fedgraft.common.tasks.survival import Survival

MOST_OUTCOMES = 30
_SEX = re.compile(r"(patient)?[ _-]?(sex|gender)", re.IGNORECASE)


def outcomes(cases: Sequence[Case], task: AnyTask | None) -> tuple[Outcome, ...]:
    """The outcomes of the cases.

    Args:
        task: ``None`` without a plan: each label is then a class, if there are at most 30; without labels but with
            ``time`` and ``event`` columns, the event.
    """
    if task is not None:
        return task.outcomes(cases)
    names = tuple(sorted({case.label for case in cases if case.label}))
    survival = Survival()
    if not names and any(all(case.column(name) for name in survival.manifest_columns) for case in cases):
        return survival.outcomes(cases)
    return () if len(names) > MOST_OUTCOMES else Classification(names).outcomes(cases)


def absent_columns(cases: Sequence[Case], task: AnyTask) -> tuple[str, ...]:
    """Columns that the plan's task reads and the manifest does not have."""
    return tuple(name for name in task.manifest_columns if all(case.column(name) is None for case in cases))


def other_outcomes(cases: Sequence[Case], task: AnyTask | None) -> frozenset[str]:
    """Further columns that look like outcomes of the task."""
    if task is None or not cases:
        return frozenset()
    own = task.manifest_columns
    names = [name for name, _ in cases[0].columns if name not in own and not _SEX.fullmatch(name)]
    return frozenset(name for name in names if task.resembles_outcome([case.column(name) or "" for case in cases]))


def target_columns(task: AnyTask | None) -> frozenset[str]:
    """The manifest's columns that hold the outcomes."""
    return frozenset((Survival() if task is None else task).manifest_columns)
