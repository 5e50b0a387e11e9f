"""Decide which kind of input a plan has; this is the only place that does."""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.common.interfaces.input_kind import InputKind
from fedgraft.common.kinds.images import Images
from fedgraft.common.kinds.tables import Tables
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.types import OURS


def kind_of(plan: Plan, allowed: Iterable[str] = OURS) -> InputKind:
    """The kind that ``input._target_`` names; without it, rows of a table if the plan has a ``table``, else images.

    Args:
        allowed: packages from which the kind, and parts that it builds, may come.

    Raises:
        PlanError: the kind is not allowed, is no `InputKind`, or does not take an option.
    """
    allowed = tuple(allowed)
    if plan.input.target is not None:
        kind: InputKind = parts.build(
            plan.input.target, "input", plan.input.options, allowed, plan=plan, trusted=allowed
        )
        return kind
    return Images(plan, allowed) if plan.table is None else Tables(plan.backbone, plan.table)
