"""Checks of ``alignment``, ``adapt`` and ``hold_out``."""

from __future__ import annotations

from typing import Any

from fedgraft.common.plan.types import Check

PERSONAL_CHECKS: tuple[Check, ...] = (
    Check(("hold_out",), lambda p: len(set(p.hold_out)) != len(p.hold_out), "hold_out names a site twice"),
    Check(
        ("adapt",),
        lambda p: p.adapt.target is not None and not getattr(p, "hold_out", ()),
        "adapt has no effect without hold_out: a site adapts the model only if it never trained; name one in hold_out, "
        "or set adapt=none",
    ),
    Check(
        ("adapt", "release"),
        lambda p: p.adapt.target is not None and not p.release.evaluation,
        "adapt has no effect with release.evaluation=false: all that a held-out site does is to evaluate",
    ),
)


def _on(plan: Any) -> bool:
    return plan.alignment.target is not None


ALIGNMENT_CHECKS: tuple[Check, ...] = (
    Check(
        ("alignment",),
        lambda p: _on(p) and p.alignment.weight == 0,
        "alignment.weight=0 has no effect; set it above 0, or alignment=none",
    ),
    Check(
        ("alignment",),
        lambda p: not _on(p) and (p.alignment.weight > 0 or p.alignment.per_class or p.alignment.column is not None),
        "alignment.weight, per_class and column have no effect with alignment=none; choose coral, mmd or adversarial",
    ),
    Check(
        ("alignment", "rounds"),
        lambda p: _on(p) and p.rounds == 1 and p.alignment.column is None,
        "alignment has no effect with rounds=1: sites align to the features of the round before; set rounds to 2 or "
        "more",
    ),
    Check(
        ("alignment", "train"),
        lambda p: _on(p) and p.train.batch_size == 1,
        "train.batch_size=1 shows an alignment no two cases to take moments of; use 2 or more, better 16",
    ),
    Check(
        ("alignment", "release"),
        lambda p: p.alignment.per_class and not p.release.class_counts,
        "alignment.per_class=true needs release.class_counts=true: each class's share of the cases travels with its "
        "moments",
    ),
    Check(
        ("alignment", "augment"),
        lambda p: _on(p) and (p.augment.mixup > 0 or p.augment.cutmix > 0),
        "alignment compares features of whole cases, and augment.mixup and cutmix train on mixed ones; set both to 0, "
        "or alignment=none",
    ),
)
