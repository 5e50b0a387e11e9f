"""The space in which features are compared: random directions of them, the same at all sites."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SEED = 0
"""Of the random directions and frequencies: all sites draw the same ones, so that they need not be sent."""


class Projected(nn.Module):
    """``(N, F)`` -> ``(N, min(F, dimensions))``: features projected onto random directions of length 1, the same at all
    sites; not projected if ``dimensions`` is at least F.

    With few directions a covariance is small to send and can be estimated from one batch.

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
        inputs = normalised(features) if self.normalise else features
        return inputs if self.directions is None else functional.linear(inputs, self.directions)


def normalised(features: Tensor) -> Tensor:
    """Layer norm without parameters (Ba et al. 2016) of ``(N, F)``."""
    return functional.layer_norm(features, features.shape[1:])
