"""Domain-adaptation layers: one idea a file, each acting on a backbone that is otherwise frozen."""

from __future__ import annotations

from fedgraft.common.adapters.adaptation import Adaptation, Adapted, Role
from fedgraft.common.adapters.batch_norm import LocalBatchNorm, batch_norms
from fedgraft.common.adapters.scale_and_shift import ScaleAndShift

__all__ = ["Adaptation", "Adapted", "LocalBatchNorm", "Role", "ScaleAndShift", "batch_norms"]
