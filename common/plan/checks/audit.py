"""Checks of ``audit``, of ``contributions``, and of ``site_distances``."""

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


_WHY = "contributions=true evaluates the last model without each site's update"
CONTRIBUTION_CHECKS: tuple[Check, ...] = (
    Check(
        ("contributions", "aggregation"),
        lambda p: p.contributions and p.aggregation.secure,
        f"{_WHY}, and aggregation=secure tells only their sum; set contributions=false",
    ),
    Check(
        ("contributions", "privacy"),
        lambda p: p.contributions and p.privacy.on,
        f"{_WHY}, which privacy does not charge for; set contributions=false",
    ),
    Check(
        ("contributions", "strategy"),
        lambda p: p.contributions and p.strategy.target.rpartition(".")[2] not in ("FedAvg", "FedProx"),
        f"{_WHY}, which is a mean of the others under strategy=fedavg and fedprox only; set contributions=false",
    ),
    Check(
        ("contributions", "personal"),
        lambda p: p.contributions and p.personal.target is not None,
        f"{_WHY}, and with `personal` each site would train all of these; set contributions=false",
    ),
    Check(
        ("contributions", "release"),
        lambda p: p.contributions and not p.release.evaluation,
        "contributions=true has no effect with release.evaluation=false: no figure leaves a site",
    ),
)

_APART = "site_distances=true compares sums over single sites' patients"
DISTANCE_CHECKS: tuple[Check, ...] = (
    Check(
        ("site_distances", "aggregation"),
        lambda p: p.site_distances and p.aggregation.secure,
        f"{_APART}, and aggregation=secure tells only their total; set site_distances=false",
    ),
    Check(
        ("site_distances", "privacy"),
        lambda p: p.site_distances and p.privacy.on,
        f"{_APART}, which privacy does not charge for; set site_distances=false",
    ),
)


def _labels(plan: Any) -> bool:
    task = tasks.of(plan.data)
    return bool({"label", *task.manifest_columns} & set(plan.audit.names))


def _misordered(column: Any) -> bool:
    return not isinstance(column, str) and any(not ends or list(ends) != sorted(set(ends)) for ends in column.values())
