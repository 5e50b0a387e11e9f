"""Checks of ``bounds``: what contradicts itself, or has no effect."""

from __future__ import annotations

from typing import Any

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.checks.privacy import is_private
from fedgraft.common.plan.types import Check


def _are_chosen(plan: Any) -> bool:
    return bool(plan.bounds != BoundsSection())


BOUNDS_CHECKS: tuple[Check, ...] = (
    Check(
        ("bounds",),
        lambda p: p.bounds.clip is not None and p.bounds.least > p.bounds.clip,
        "bounds.least is the lowest multiple from which updates are clipped, and bounds.clip the highest; set least to "
        "at most clip",
    ),
    Check(
        ("bounds",),
        lambda p: None not in (p.bounds.clip, p.bounds.refuse) and p.bounds.refuse < p.bounds.clip,
        "bounds.refuse below bounds.clip would leave nothing to clip; set refuse above clip, or clip to null",
    ),
    Check(
        ("bounds", "strategy"),
        lambda p: _are_chosen(p) and is_exact(p.strategy),
        "strategy=exact sums gradients, which bounds leave as they are; leave bounds out",
    ),
    Check(
        ("bounds", "strategy"),
        lambda p: _are_chosen(p) and is_private(p),
        "a DifferentialPrivacy... strategy clips updates by itself, and bounds leave them alone; leave bounds out",
    ),
)
