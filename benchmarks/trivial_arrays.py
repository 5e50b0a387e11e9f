"""The arrays that trivial sites send back and forth, and how long a round takes."""

from __future__ import annotations

from collections.abc import Sequence

import timm
import torch
from torch import Tensor

SITES = 10
SKIPPED = 2


def named_arrays(kind: str) -> dict[str, Tensor]:
    """``head``: 2 x 1280 + 2 float32. ``full``: the 245 float32 tensors of ``tf_efficientnet_lite0`` but its head."""
    if kind == "head":
        return {"head.weight": torch.zeros(2, 1280), "head.bias": torch.zeros(2)}
    state = timm.create_model("tf_efficientnet_lite0", num_classes=0).state_dict()
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}


def seconds_per_round(stamps: Sequence[float]) -> float:
    """The slope over the clock's readings, one before round 1 and one after each, without the first two rounds."""
    return (stamps[-1] - stamps[SKIPPED]) / (len(stamps) - 1 - SKIPPED)
