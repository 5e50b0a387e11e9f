"""Options of ``augment`` that contradict each other or would have no effect."""

from __future__ import annotations

from typing import Any

from fedgraft.common.check import Check

STRENGTHS = ("rotate", "shift", "zoom", "brightness", "contrast", "flip")
"""What can make a view of ``augment`` differ from the case as it is."""


def _needs_views(name: str) -> Check:
    def wrong(plan: Any) -> bool:
        return plan.augment.views == 1 and bool(getattr(plan.augment, name))

    text = f"augment.{name} has no effect with augment.views=1, the case as it is; set augment.views to 2 or more"
    return Check(("augment",), wrong, text)


AUGMENT_CHECKS = (
    Check(
        ("augment",),
        lambda p: p.augment.views > 1 and not any(getattr(p.augment, name) for name in STRENGTHS),
        "augment.views above 1 has no effect with every strength at 0; set one of "
        f"{', '.join(f'augment.{name}' for name in STRENGTHS)}, or augment.views=1",
    ),
    *(_needs_views(name) for name in STRENGTHS),
)
