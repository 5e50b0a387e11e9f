"""Options of ``alignment`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

ALIGNMENT_CHECKS: tuple[Check, ...] = ()
