"""Options of ``initial`` and of ``train`` that contradict each other or would have no effect."""

from __future__ import annotations

from fedgraft.common.check import Check

TRANSFER_CHECKS: tuple[Check, ...] = ()
