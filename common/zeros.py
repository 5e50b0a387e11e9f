"""A head that starts at zero."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.common.initial import Initial, Sums
from fedgraft.common.linear_shape import is_linear


class Zeros(Initial):
    """All weights and biases are zero: the first outputs are equal for all classes and cases."""

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        """A direction of length zero, or a hidden layer behind zeros, would never learn."""
        if is_linear(head, needs_bias=True):
            return ""
        return f"zeros would leave a {type(head).__name__} head nothing to learn from; use head=linear or initial=none"

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        return {}

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: torch.zeros_like(tensor) for name, tensor in built.items()}
