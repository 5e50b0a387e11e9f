"""Start the head as the ridge regression over all sites' training cases: exactly that of the pooled data.

Hoerl & Kennard 1970, on one-hot classes (Bishop 2006, section 4.1.3). The solution follows from sums over cases, which
sites can add up (He et al., "AFL: a single-round analytic approach for federated learning with pre-trained models",
CVPR 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fedgraft.common.heads.linear_shape import BIAS, WEIGHT, is_linear
from fedgraft.common.heads.prototypes import class_sums
from fedgraft.common.interfaces.head_start import COUNTS, StartsFromSums, Sums
from fedgraft.common.plan.choice_names import choice_of_part
from fedgraft.common.plan.types import Positive

_SUMS, _MOMENTS = "sums", "moments"


class Ridge(StartsFromSums):
    """``W`` and ``b`` minimise ``sum_i v_i |W x_i + b - onehot(y_i)|^2 + alpha |W|^2``; ``b`` is not penalised.

    Args:
        alpha: weight of the penalty; above 0.
        balanced: case weights ``v_i = N / (C * n_c)``, so that every class counts the same; else ``v_i = 1``.
        scale: factor by which the solution ``W``, ``b`` is multiplied; above 0.
    """

    every_site: ClassVar[bool] = True

    def __init__(self, alpha: Positive, balanced: bool, scale: Positive) -> None:
        self.alpha, self.balanced, self.scale = alpha, balanced, scale

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        if is_linear(head, needs_bias=True):
            return ""
        name = choice_of_part("head", type(head))
        return f"head={name} is no linear layer with a bias: nothing solves it; use head=linear"

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """``counts (C,)``, ``sums (C, F)``, and ``moments``, the upper triangle of the sum of ``x x^T``: by class if
        ``balanced``, ``(C, F (F + 1) / 2)``, else ``(1, F (F + 1) / 2)``; all float64."""
        wide = features.double()
        groups = [wide[labels == c] for c in range(classes)] if self.balanced else [wide]
        moments = torch.stack([_triangle(group.T @ group) for group in groups])
        return {**class_sums(features, labels, classes), _MOMENTS: moments}

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        counts = sums[COUNTS]
        weights = counts.sum() / (len(counts) * counts) if self.balanced else torch.ones_like(counts)
        moments = _square((weights[: len(sums[_MOMENTS]), None] * sums[_MOMENTS]).sum(dim=0), sums[_SUMS].shape[1])
        weight, bias = ridge(weights * counts, weights[:, None] * sums[_SUMS], moments, self.alpha)
        return {
            WEIGHT: (self.scale * weight).to(built[WEIGHT].dtype),
            BIAS: (self.scale * bias).to(built[BIAS].dtype),
        }


def ridge(counts: Tensor, sums: Tensor, moments: Tensor, alpha: float) -> tuple[Tensor, Tensor]:
    """Ridge regression on one-hot classes, all float64.

    Args:
        counts: sum of the weights of each class's cases, ``(C,)``.
        sums: weighted sum of each class's features, ``(C, F)``.
        moments: weighted sum of ``x x^T`` over all cases, ``(F, F)``.

    Returns:
        weight ``(C, F)`` and bias ``(C,)``.
    """
    total = counts.sum()
    mean, share = sums.sum(dim=0) / total, counts / total
    scatter = moments - total * torch.outer(mean, mean) + alpha * torch.eye(len(mean), dtype=moments.dtype)
    weight = torch.linalg.solve(scatter, (sums - torch.outer(counts, mean)).T).T
    return weight, share - weight @ mean


def _triangle(square: Tensor) -> Tensor:
    rows, columns = torch.triu_indices(*square.shape)
    return square[rows, columns]


def _square(triangle: Tensor, side: int) -> Tensor:
    rows, columns = torch.triu_indices(side, side)
    found = torch.zeros(side, side, dtype=triangle.dtype)
    found[rows, columns] = triangle
    found[columns, rows] = triangle
    return found
