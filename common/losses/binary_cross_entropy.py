"""Binary cross-entropy for multi-label findings; unknown labels are left out."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


class BinaryCrossEntropy(nn.Module):
    """``mean w[f, y] * -log p(y)`` over the known labels of a batch; 0 if none is known.

    The mean is over labels, not over weights, as in `fedgraft.common.losses.cross_entropy.CrossEntropy`.

    Args:
        class_weights: ``(2C,)`` float32: for each finding the weight of its negatives, then of its positives; ``None``
            for no weighting.
    """

    tasks: ClassVar[tuple[str, ...]] = ("multilabel",)

    def __init__(self, class_weights: Tensor | None) -> None:
        super().__init__()
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 log odds and ``(B, C)`` float32 in 0, 1 and NaN (unknown) -> scalar."""
        known = ~torch.isnan(labels)
        truth = torch.where(known, labels, 0.0)
        losses = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        if self.class_weights is not None:
            negative, positive = self.class_weights.to(logits.device).reshape(-1, 2).unbind(dim=1)
            losses = losses * torch.where(truth > 0.5, positive, negative)
        return torch.where(known, losses, 0.0).sum() / self.divisor(labels)

    def divisor(self, labels: Tensor) -> Tensor:
        """The number of known labels, at least 1: what the sum is divided by."""
        return (~torch.isnan(labels)).sum().clamp(min=1)
