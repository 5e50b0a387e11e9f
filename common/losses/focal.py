"""The focal loss: cases that are already classified well weigh less (Lin et al., ICCV 2017, equation 5)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


class FocalLoss(nn.Module):
    """``mean_i w[y_i] * -(1 - p(y_i))^gamma * log p(y_i)``, for two or more classes.

    Args:
        class_weights: ``(C,)`` float32, the paper's alpha; ``None`` for no weighting.
        gamma: the focusing parameter; above 0. At 2, a case with p = 0.9 has a hundredth of its cross-entropy.

    Raises:
        PlanError: ``gamma`` is not above 0.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)
    convex: ClassVar[bool] = False

    def __init__(self, class_weights: Tensor | None, gamma: float = 2.0) -> None:
        super().__init__()
        if not gamma > 0:
            raise PlanError(f"loss.gamma={gamma} must be above 0; at 0 it is cross-entropy: use loss=cross_entropy")
        self.gamma = gamma
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar."""
        log_p = functional.log_softmax(logits, dim=1).gather(1, labels[:, None])[:, 0]
        wrong = -torch.expm1(log_p.clamp(max=-1e-7))  # a gamma below 1 has no derivative at 0
        losses = -(wrong**self.gamma) * log_p
        if self.class_weights is not None:
            losses = losses * self.class_weights.to(logits.device)[labels]
        return losses.mean()
