"""Options of ``harmonise`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

HARMONISE_CHECKS: tuple[Check, ...] = (
    Check(
        ("harmonise",),
        lambda p: p.harmonise.target is None and bool(p.harmonise.reference),
        "harmonise.reference has no effect with harmonise=none; choose harmonise=histogram or fourier, or set it to []",
    ),
    Check(
        ("harmonise", "table"),
        lambda p: p.harmonise.target is not None and p.table is not None,
        "harmonise is for images and has no effect on a table, whose columns table.statistics scales; use "
        "harmonise=none",
    ),
)
