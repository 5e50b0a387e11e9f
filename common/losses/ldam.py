"""Label-distribution-aware margins: larger for rare classes (LDAM, Cao et al., NeurIPS 2019)."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


class LDAM(nn.Module):
    """Cross-entropy of ``scale * (z - margin[y] * onehot(y))``; margins proportional to ``n_c^(-1/4)`` (equation 13).

    Margins are in units of the logits. The paper's logits are cosines: use ``head=cosine head.scale=1`` and the paper's
    ``scale`` of 30; or a linear head and a scale of 1.

    Args:
        class_weights: ``(C,)`` float32, or ``None`` for no weighting. The paper turns them on late in training (DRW);
            here they act from the start.
        class_counts: ``(C,)`` float32, cases by class.
        max_margin: margin of the rarest class that has a case; above 0.
        scale: factor of the logits after the margins are subtracted; above 0.

    Raises:
        PlanError: ``max_margin`` or ``scale`` is not above 0.
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    def __init__(
        self, class_weights: Tensor | None, class_counts: Tensor, max_margin: float = 0.5, scale: float = 1.0
    ) -> None:
        super().__init__()
        if not max_margin > 0:
            raise PlanError(f"loss.max_margin={max_margin} must be above 0; without margins use loss=cross_entropy")
        if not scale > 0:
            raise PlanError(f"loss.scale={scale} must be above 0")
        rarity = torch.where(class_counts > 0, class_counts.clamp(min=1) ** -0.25, 0.0)
        self.scale = scale
        self.margins: Tensor
        self.register_buffer("margins", max_margin * rarity / rarity.max())
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar, mean over cases."""
        margins = self.margins.to(logits.device)
        own = functional.one_hot(labels, len(margins))
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        shifted = self.scale * (logits - own * margins)
        return functional.cross_entropy(shifted, labels, weights, reduction="sum") / len(labels)
