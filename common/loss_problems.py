"""Options of ``loss`` and ``sampling`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

LOSS_CHECKS: tuple[Check, ...] = ()
