"""Options of ``harmonise`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

HARMONISE_CHECKS: tuple[Check, ...] = ()
