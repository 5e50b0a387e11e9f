"""Many linear heads at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.common.losses.suitability import total

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Heads:
    """``weight`` ``(B, C, F)``, ``bias`` ``(B, C)`` float32."""

    weight: Tensor
    bias: Tensor

    @staticmethod
    def zeros(count: int, classes: int, width: int) -> Heads:
        return Heads(torch.zeros(count, classes, width), torch.zeros(count, classes))

    def outputs(self, inputs: Tensor) -> Tensor:
        """Of all cases ``(N, F)``: ``(B, N, C)``."""
        count, classes, width = self.weight.shape
        flat = inputs @ self.weight.reshape(count * classes, width).T
        return flat.reshape(len(inputs), count, classes).transpose(0, 1) + self.bias[:, None]

    def confidences(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Log odds of each case's own class, ``(B, N)`` (Carlini et al., S&P 2022, section VI)."""
        outputs = self.outputs(inputs)
        own = labels[None, :, None].expand(len(outputs), -1, 1)
        others = outputs.scatter(2, own, -torch.inf)
        return outputs.gather(2, own)[..., 0] - others.logsumexp(dim=2)


def residuals(outputs: Tensor, labels: Tensor, loss: Loss) -> Tensor:
    """The derivative of each case's loss by its outputs, ``(B, N, C)``, for a loss that is a sum over cases."""
    count, cases, classes = outputs.shape
    flat = outputs.detach().reshape(count * cases, classes).requires_grad_()
    (slope,) = torch.autograd.grad(total(loss, flat, labels.repeat(count)), flat)
    return slope.reshape(count, cases, classes)


def summed(slopes: Tensor, inputs: Tensor) -> Heads:
    """Gradients of heads by weight and bias, summed over cases, of residuals ``(B, N, C)`` and inputs ``(N, F)``."""
    count, cases, classes = slopes.shape
    weight = slopes.permute(0, 2, 1).reshape(count * classes, cases) @ inputs
    return Heads(weight.reshape(count, classes, -1), slopes.sum(dim=1))
