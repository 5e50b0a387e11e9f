"""Cross-entropy for classification, with optional class weights."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional


class CrossEntropy(nn.Module):
    """``mean_i w[y_i] * -log p(y_i)``.

    The sum is divided by the number of cases, not by the sum of their weights as in
    `torch.nn.functional.cross_entropy`: there the weights would cancel at a site with a single class.

    Args:
        class_weights: ``(C,)`` float32, or ``None`` for no weighting.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    def __init__(self, class_weights: Tensor | None) -> None:
        super().__init__()
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar."""
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        return functional.cross_entropy(logits, labels, weights, reduction="sum") / len(labels)
