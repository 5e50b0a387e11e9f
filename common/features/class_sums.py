"""Cases and sums of features by class: of one site, to be added over sites."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.interfaces.head_start import COUNTS, Sums

SUMS = "sums"


def class_sums(features: Tensor, labels: Tensor, classes: int) -> Sums:
    """``counts (C,)`` and ``sums (C, F)``, float64, of features ``(N, F)`` and labels ``(N,)`` int64."""
    counts = torch.bincount(labels, minlength=classes).double()
    sums = torch.zeros(classes, features.shape[1], dtype=torch.float64)
    return {COUNTS: counts, SUMS: sums.index_add_(0, labels, features.double())}
