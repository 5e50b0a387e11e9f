"""A head of class embeddings: zero-shot before training, and an ordinary head from then on."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


class ClassEmbedding(nn.Module):
    """``scale * cos(P x, e_c)``, as image-text models score a class (Radford et al., ICML 2021).

    Args:
        dims: of the embeddings; ``None`` if features lie in that space already, and there is no projection ``P``.
    """

    def __init__(self, width: int, classes: int, dims: int | None) -> None:
        super().__init__()
        if dims is not None and dims < 1:
            raise PlanError(f"head.dims={dims} must be 1 or more, or null for no projection")
        self.projection = None if dims is None else nn.Parameter(torch.randn(dims, width) * width**-0.5)
        across = width if dims is None else dims
        self.weight = nn.Parameter(torch.randn(classes, across) * across**-0.5)
        self.log_scale = nn.Parameter(torch.tensor(math.log(16.0)))

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` float32 -> ``(B, C)`` float32."""
        placed = features if self.projection is None else functional.linear(features, self.projection)
        cosines = functional.linear(functional.normalize(placed), functional.normalize(self.weight))
        return self.log_scale.exp() * cosines
