"""Options of ``personal``, ``adapt`` and ``hold_out`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

PERSONAL_CHECKS: tuple[Check, ...] = (
    Check(("hold_out",), lambda p: len(set(p.hold_out)) != len(p.hold_out), "hold_out names a site twice"),
)
