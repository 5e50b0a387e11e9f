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


def _told_by_single_sites(option: str, why: str, together: str) -> tuple[Check, Check]:
    """What sites tell one by one goes neither with secure sums nor with privacy."""
    return (
        Check(
            (option, "aggregation"),
            lambda p: getattr(p, option) and p.aggregation.secure,
            f"{why}, and aggregation=secure tells only their {together}; set {option}=false",
        ),
        Check(
            (option, "privacy"),
            lambda p: getattr(p, option) and p.privacy.on,
            f"{why}, which privacy does not charge for; set {option}=false",
        ),
    )


_WHY = "contributions=true evaluates the last model without each site's update"
CONTRIBUTION_CHECKS: tuple[Check, ...] = (
    *_told_by_single_sites("contributions", _WHY, "sum"),
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

DISTANCE_CHECKS: tuple[Check, ...] = _told_by_single_sites(
    "site_distances", "site_distances=true compares sums over single sites' patients", "total"
)


def _labels(plan: Any) -> bool:
    task = tasks.of(plan.data)
    return bool({"label", *task.manifest_columns} & set(plan.audit.names))


def _misordered(column: Any) -> bool:
    return not isinstance(column, str) and any(not ends or list(ends) != sorted(set(ends)) for ends in column.values())
