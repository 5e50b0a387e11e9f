"""A head that weighs the instances of a case (windows of a note) before it classifies."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from fedgraft.common.features.bags import Opened, opened
from fedgraft.common.interfaces.features import Bag
from fedgraft.common.plan.types import Count


class GatedAttention(nn.Module):
    """One linear layer on a weighted sum of the instances (Ilse, Tomczak & Welling, "Attention-based deep multiple
    instance learning", ICML 2018, equation 9): instance ``h`` weighs ``exp(w' (tanh(V h) * sigmoid(U h)))``, divided by
    the sum over the case's instances.

    It starts with ``w`` and the last layer at zero: all instances weigh the same, and the outputs are 0. Where both
    ``V`` and ``w`` are zero no gradient leads away, so that a strong ridge would end all weighing.

    Args:
        bag: how features lie.
        hidden: rows of ``V`` and ``U``.
    """

    stays_at_zero: ClassVar[bool] = True

    def __init__(self, width: int, classes: int, bag: Bag, hidden: Count) -> None:
        super().__init__()
        self.bag = bag
        self.tanh = nn.Linear(bag.numbers, hidden, bias=False)
        self.gate = nn.Linear(bag.numbers, hidden, bias=False)
        self.weigh = nn.Linear(hidden, 1, bias=False)
        self.output = nn.Linear(bag.numbers + bag.beside, classes)
        for zero in (self.weigh.weight, self.output.weight, self.output.bias):
            nn.init.zeros_(zero)

    def weights(self, some: Opened) -> Tensor:
        """The weight of each instance, ``(B, instances)`` float32 with sums of 1; 0 where there is none."""
        hidden = torch.tanh(self.tanh(some.instances)) * torch.sigmoid(self.gate(some.instances))
        scores: Tensor = self.weigh(hidden).squeeze(2)
        return torch.softmax(scores.masked_fill(some.there == 0, torch.finfo(scores.dtype).min), dim=1)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, F)`` float32 -> ``(B, C)`` float32."""
        some = opened(features, self.bag)
        summed = torch.einsum("bi,bid->bd", self.weights(some), some.instances)
        outputs: Tensor = self.output(torch.cat([summed, some.beside], dim=1))
        return outputs
