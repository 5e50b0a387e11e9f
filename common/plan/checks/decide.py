"""Checks of ``decide``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.plan.evidence_sections import DecideSection
from fedgraft.common.plan.types import Check

_OFF = DecideSection()

DECIDE_CHECKS: tuple[Check, ...] = (
    Check(
        ("decide",),
        lambda p: p.decide.at == "youden" and p.decide.value is not None,
        "decide.value has no effect with decide.at=youden; set it to null, or decide.at to sensitivity, specificity or "
        "cost",
    ),
    Check(
        ("decide",),
        lambda p: p.decide.at != "youden" and p.decide.value is None,
        "decide.at needs decide.value: of sensitivity or specificity the least share, of cost the false alarms that "
        "one missed case is worth",
    ),
    Check(
        ("decide",),
        lambda p: p.decide.at in ("sensitivity", "specificity") and (p.decide.value or 0) > 1,
        "decide.value must be at most 1 with decide.at=sensitivity or specificity",
    ),
    Check(
        ("decide",),
        lambda p: p.decide.by_site != "shrunk" and p.decide.cases != _OFF.cases,
        f"decide.cases has an effect with decide.by_site=shrunk only; set it to {_OFF.cases:g}",
    ),
    Check(
        ("decide", "data", "aggregation"),
        lambda p: _for_nothing(p),
        "decide (but for decide.unseen) has no effect with a data.task that has no probabilities; leave it as it is",
    ),
)


def _for_nothing(plan: Any) -> bool:
    """Whether decisions were chosen for a task that has none; what ``aggregation=secure`` brings was not."""
    chosen = replace(plan.decide, unseen=_OFF.unseen)
    brought = replace(_OFF, by_site="pooled")
    return not tasks.of(plan.data).answers and chosen != _OFF and not (plan.aggregation.secure and chosen == brought)
