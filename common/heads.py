"""Heads: features ``(B, F)`` float32 -> outputs ``(B, C)`` float32. A head is trained from the plan's initial state.

``classes``, which FedGraft gives, is the number of outputs: logits of classes, log odds of findings, or one log hazard.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


class Linear(nn.Linear):
    """One linear layer that starts at zero: the first round's outputs are equal, for all classes and cases.

    Args:
        normalise: give each case's features zero mean and unit variance first (layer norm without parameters, Ba et
        al. 2016),
            so that one learning rate suits features of any scale.
    """

    def __init__(self, width: int, classes: int, normalise: bool) -> None:
        super().__init__(width, classes)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.normalise = normalise

    def forward(self, features: Tensor) -> Tensor:
        if self.normalise:
            features = functional.layer_norm(features, (self.in_features,))
        return super().forward(features)


class Cosine(nn.Module):
    """``scale * cos(x, w_c)`` (Gidaris & Komodakis, CVPR 2018): blind to how large a site's features are.

    Args:
        scale: the inverse temperature; fixed, above 0.
    """

    def __init__(self, width: int, classes: int, scale: float) -> None:
        super().__init__()
        if not isinstance(scale, int | float) or not scale > 0:
            raise PlanError(f"head.scale={scale} must be a number above 0")
        self.weight = nn.Parameter(torch.empty(classes, width))
        nn.init.normal_(self.weight, std=width**-0.5)
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        return self.scale * functional.linear(functional.normalize(features), functional.normalize(self.weight))
