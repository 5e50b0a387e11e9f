"""Checks of ``audit``."""

from __future__ import annotations

from typing import Any

from fedgraft.common import tasks
from fedgraft.common.plan.types import Check

AUDIT_CHECKS: tuple[Check, ...] = (
    Check(
        ("audit",),
        lambda p: sum(1 if isinstance(one, str) else len(one) for one in p.audit.columns) > len(p.audit.names),
        "audit.columns names a column twice",
    ),
    Check(
        ("audit",),
        lambda p: any(_misordered(one) for one in p.audit.columns),
        "audit.columns needs ascending numbers for a column of numbers: {age: [40, 60, 80]}",
    ),
    Check(
        ("audit", "release"),
        lambda p: bool(p.audit.columns) and not p.release.evaluation,
        "audit.columns has no effect with release.evaluation=false: no figure leaves a site",
    ),
    Check(
        ("audit", "data"),
        lambda p: _labels(p),
        "audit.columns names a column with labels; subgroups are of what is known before",
    ),
)


def _labels(plan: Any) -> bool:
    task = tasks.of(plan.data)
    return bool({"label", *task.manifest_columns} & set(plan.audit.names))


def _misordered(column: Any) -> bool:
    return not isinstance(column, str) and any(not ends or list(ends) != sorted(set(ends)) for ends in column.values())
