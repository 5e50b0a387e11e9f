"""Evaluate the received model by subgroup of the test cases, as far as plan and site file name the columns."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.enrolment.enrolled import EVALUATION
from fedgraft.client.site.release import of_large_groups
from fedgraft.client.training.session import Session
from fedgraft.common import tasks
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.wire.subgroups import MOST, ByGroup, is_name

UNKNOWN, OTHER = "unknown", "other"


def evaluate_subgroups(session: Session, outputs: NDArray[np.float32] | None) -> ByGroup[Evaluation]:
    """The evaluations that may leave, by column and subgroup.

    A column of which one subgroup is too small tells nothing: the others, taken from the figures over all test cases,
    would give that one.

    Args:
        outputs: for the test cases, ``(N, outputs)``; ``None`` if the site has none.
    """
    plan, permission = session.plan, session.site.release
    columns = [name for name in plan.audit.names if name in permission.columns]
    if outputs is None or not columns or not (plan.release.evaluation and permission.evaluation):
        return {}
    test, task = session.accepted.splits["test"], tasks.of(plan.data)
    found: ByGroup[Evaluation] = {}
    members: dict[str, list[list[Case]]] = {}
    for column in columns:
        cells = [case.column(column) for case in test.cases]
        if all(cell is None for cell in cells):
            continue
        names = np.array(named(cells, plan.audit.bands[column]))
        order = np.argsort(names, kind="stable")
        groups, sizes = np.unique(names, return_counts=True)
        parts = task.evaluate_parts(outputs[order], _labels(test.labels)[order], sizes.tolist())
        found[column] = dict(zip(groups.tolist(), parts, strict=True))
        members[column] = [[test.cases[at] for at in some] for some in np.split(order, np.cumsum(sizes)[:-1])]
    may = session.accepted.account.may  # beside all that was told of test cases before
    large = of_large_groups(found, permission)
    return {name: groups for name, groups in large.items() if may(EVALUATION + "test", f"by {name}", *members[name])}


def named(cells: Sequence[str | None], ends: Sequence[float]) -> list[str]:
    """The subgroup of each cell: its own text, or with ``ends`` the band of its number; at most `MOST`, of which the
    rarer ones are together ``other``; ``unknown`` if the cell is empty, or is no number where one is needed."""
    groups = [_banded(cell, ends) if ends else _text(cell) for cell in cells]
    common = sorted(set(groups), key=lambda group: (-groups.count(group), group))
    kept = set(common if len(common) <= MOST else common[: MOST - 1])
    return [group if group in kept else OTHER for group in groups]


def _text(cell: str | None) -> str:
    text = (cell or "").strip()
    return text if is_name(text) else OTHER if text else UNKNOWN


def _banded(cell: str | None, ends: Sequence[float]) -> str:
    try:
        number = float(cell or "")
    except ValueError:
        return UNKNOWN
    if number != number:
        return UNKNOWN
    place = bisect.bisect_right(ends, number)
    if place == 0:
        return f"below {ends[0]:g}"
    return f"{ends[place - 1]:g} and above" if place == len(ends) else f"{ends[place - 1]:g} to below {ends[place]:g}"


def _labels(labels: Any) -> NDArray[Any]:
    found: NDArray[Any] = labels.numpy()
    return found
