"""Rare classes: class weights, and losses that use them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError


def inverse_frequency(counts: tuple[int, ...]) -> Tensor:
    """``w_c = N / (C * n_c)`` (King & Zeng 2001), ``(C,)`` float32, where C counts the classes that have a case.

    Every class then weighs the same in the sum over cases. A class without a case gets 0.

    Raises:
        PlanError: no class has a case.
    """
    present = sum(count > 0 for count in counts)
    if present == 0:
        raise PlanError("loss.weights: no class has a training case")
    total = sum(counts)
    return torch.tensor([total / (present * count) if count else 0.0 for count in counts])


class CrossEntropy(nn.Module):
    """``mean_i w[y_i] * -log p(y_i)``.

    The mean is over cases, not over weights as in `torch.nn.functional.cross_entropy`: there the weights cancel at a
    site with one class, which then pulls the shared head towards that class with full force.

    Args:
        class_weights: ``(C,)`` float32, or ``None`` for no weighting.
    """

    def __init__(self, class_weights: Tensor | None) -> None:
        super().__init__()
        self.class_weights: Tensor | None
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """``(B, C)`` float32 and ``(B,)`` int64 -> scalar."""
        weights = None if self.class_weights is None else self.class_weights.to(logits.device)
        return functional.cross_entropy(logits, labels, weights, reduction="sum") / len(labels)
