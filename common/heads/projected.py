"""A linear head behind a public random projection: fewer numbers to train, and less noise where privacy asks for it."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.plan.types import Count


class Projected(nn.Linear):
    """One linear layer on ``dims`` random sums of the features, that starts at zero.

    Each sum is of all features, with signs that are fixed and known to everybody (Achlioptas 2003, "Database-friendly
    random projections", equation 1), divided by ``sqrt(F)``: of features whose mean square is 1 that of the sums is 1,
    too, about. It looks at no case, so that it costs no privacy; noise of a gradient grows with its length, ``dims``.

    Args:
        dims: how many sums.
        draw: which of the projections; another number gives other signs.
    """

    projection: Tensor

    def __init__(self, width: int, classes: int, dims: Count, draw: int) -> None:
        super().__init__(dims, classes)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.register_buffer("projection", signs(dims, width, draw) / width**0.5, persistent=False)

    def inputs(self, features: Tensor) -> Tensor:
        """What the weights see, ``(B, dims)``: the sums."""
        return functional.linear(features, self.projection.to(features.dtype))

    def score(self, inputs: Tensor) -> Tensor:
        """The outputs from what the weights see."""
        return super().forward(inputs)

    def forward(self, features: Tensor) -> Tensor:
        return self.score(self.inputs(features))


def signs(rows: int, columns: int, draw: int) -> Tensor:
    """1 or -1, ``(rows, columns)`` float32, the same everywhere: bits of SHAKE-256 (FIPS 202) of ``draw``."""
    count = rows * columns
    stream = hashlib.shake_256(f"fedgraft projection {draw}".encode()).digest(-(-count // 8))
    bits = np.unpackbits(np.frombuffer(stream, np.uint8))[:count]
    return torch.from_numpy(bits.astype(np.float32) * 2 - 1).reshape(rows, columns)
