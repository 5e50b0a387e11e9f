"""Cross-entropy for classification, with optional class weights."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

_SUM, _NO_LABEL = 2, -100
"""How ATen writes ``reduction="sum"``, and the label that it leaves out (none is negative here)."""


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

    def with_slopes(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """As `fedgraft.common.losses.slopes.WithSlopes`: by the operations that autograd would call."""
        aten, cases = torch.ops.aten, len(labels)
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        logs = aten._log_softmax(logits, 1, False)
        loss, total = aten.nll_loss_forward(logs, labels, weights, _SUM, _NO_LABEL)
        each = torch.ones((), device=logits.device) / cases
        by_logs = aten.nll_loss_backward(each, logs, labels, weights, _SUM, _NO_LABEL, total)
        return loss / cases, aten._log_softmax_backward_data(by_logs, logs, 1, logits.dtype)
