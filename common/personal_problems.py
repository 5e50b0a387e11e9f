"""Options of ``personal``, ``adapt`` and ``hold_out`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

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
    Check(
        ("personal", "release"),
        lambda p: str(p.personal.target).endswith((".FineTune", ".Ditto")) and not p.release.evaluation,
        "personal=finetune and ditto have no effect with release.evaluation=false: they change what sites evaluate, "
        "not the shared model",
    ),
)
