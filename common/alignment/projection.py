"""Where features are compared."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SEED = 0
"""Every site draws the same directions and frequencies, so that they need not travel."""


class Projected(nn.Module):
    """``(N, F)`` -> ``(N, min(F, dimensions))``: features along directions of length 1 drawn at random, the same at all
    sites; as they are if there are no more of them.

    A covariance of few directions travels in few bytes and can be estimated from a batch.

    Args:
        normalise: give each case's features zero mean and unit variance first (layer norm), as a head with
            ``normalise`` does; a penalty then does not depend on the backbone's scale.
    """

    directions: Tensor | None

    def __init__(self, width: int, dimensions: int, normalise: bool) -> None:
        super().__init__()
        drawn = None
        if dimensions < width:
            drawn = torch.randn(dimensions, width, generator=torch.Generator().manual_seed(SEED))
        self.register_buffer("directions", None if drawn is None else functional.normalize(drawn), persistent=False)
        self.normalise = normalise

    def forward(self, features: Tensor) -> Tensor:
        taken = normalised(features) if self.normalise else features
        return taken if self.directions is None else functional.linear(taken, self.directions)


def normalised(features: Tensor) -> Tensor:
    """Layer norm without parameters (Ba et al. 2016) of ``(N, F)``."""
    return functional.layer_norm(features, features.shape[1:])
