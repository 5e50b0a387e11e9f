"""Start the head as the ridge regression over all sites' training cases: exactly that of the pooled data.

Hoerl & Kennard 1970, on one-hot classes (Bishop 2006, section 4.1.3). The solution follows from sums over cases, which
sites can add up (He et al., "AFL: a single-round analytic approach for federated learning with pre-trained models",
CVPR 2025).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.features.class_sums import SUMS, class_sums
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT, is_linear
from fedgraft.common.interfaces.head_start import COUNTS, StartsFromSums, Sums
from fedgraft.common.plan.choice_names import choice_of_part
from fedgraft.common.plan.types import Count, Positive

MOMENTS = "moments"


class Ridge(StartsFromSums):
    """``W`` and ``b`` minimise ``sum_i v_i |W x_i + b - onehot(y_i)|^2 + alpha |W|^2``; ``b`` is not penalised.

    Args:
        alpha: weight of the penalty, above 0; or several, of which the sites' validation cases choose one.
        balanced: case weights ``v_i = N / (C * n_c)``, so that every class counts the same; else ``v_i = 1``.
        scale: factor by which the solution ``W``, ``b`` is multiplied; above 0.
        sketch: ``None`` for the exact solution. Else sums are over that many random combinations of the features
            (+1 or -1 times each; Achlioptas 2003), which are fewer bytes: the solution is that on these.

        every_site: whether the run ends if a site withholds its sums; else the solution is that of the cases of all
            others, and the site is named.

    Raises:
        PlanError: ``alpha`` is an empty list, or holds a number twice or one that is not above 0.
    """

    def __init__(
        self, alpha: Positive | list[float], balanced: bool, scale: Positive, sketch: Count | None, every_site: bool
    ) -> None:
        given = alpha if isinstance(alpha, list) else [alpha]
        if not given or len(set(given)) < len(given) or not all(isinstance(a, int | float) and a > 0 for a in given):
            raise PlanError(f"initial.alpha={alpha} must be a number above 0, or several different ones")
        self.alphas = tuple(sorted(map(float, given), reverse=True))
        self.balanced, self.scale, self.sketch, self.every_site = balanced, scale, sketch, every_site
        self.class_weights: Tensor | None = None

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        if not is_linear(head, needs_bias=True):
            name = choice_of_part("head", type(head))
            return f"head={name} is no linear layer with a bias: nothing solves it; use head=linear"
        width, sketch = dict(head.named_parameters())[WEIGHT].shape[1], options.get("sketch")
        if isinstance(sketch, int) and sketch >= width:
            return f"initial.sketch={sketch} saves nothing: there are {width} features; use fewer, or null"
        return ""

    def weighed(self, counts: tuple[int, ...]) -> Ridge:
        found = Ridge(list(self.alphas), self.balanced, self.scale, self.sketch, self.every_site)
        if self.balanced:
            found.class_weights = _weights(torch.tensor(counts, dtype=torch.float64))
        return found

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """``counts (C,)``, ``sums (C, K)`` and ``moments (K (K + 1) / 2,)``, the upper triangle of the sum of
        ``v x x^T``; all float64. K is the number of features, or ``sketch``."""
        wide = _sketched(features.double(), self.sketch)
        weights = self._class_weights(classes)
        moments = (wide * weights[labels][:, None]).T @ wide
        return {**class_sums(wide, labels, classes), MOMENTS: triangle_of(moments)}

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The head of the strongest penalty."""
        return self._head(self.alphas[0], sums, built)

    def heads(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        return {f"alpha={alpha:g}": self._head(alpha, sums, built) for alpha in self.alphas}

    def _head(self, alpha: float, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        counts = sums[COUNTS]
        weights = self._class_weights(len(counts))
        moments = square_of(sums[MOMENTS], sums[SUMS].shape[1])
        weight, bias = ridge(weights * counts, weights[:, None] * sums[SUMS], moments, alpha)
        if self.sketch is not None:
            weight = weight @ _signs(built[WEIGHT].shape[1], self.sketch).T
        return {
            WEIGHT: (self.scale * weight).to(built[WEIGHT].dtype),
            BIAS: (self.scale * bias).to(built[BIAS].dtype),
        }

    def _class_weights(self, classes: int) -> Tensor:
        return torch.ones(classes, dtype=torch.float64) if self.class_weights is None else self.class_weights


def _weights(counts: Tensor) -> Tensor:
    """The weight of a case of each class, ``(C,)`` float64, by which every class counts the same."""
    return counts.sum() / (len(counts) * counts.clamp(min=1))


def _signs(width: int, sketch: int) -> Tensor:
    """``(F, K)`` float64: +1 or -1 divided by the root of K, the same everywhere."""
    drawn = torch.randint(2, (width, sketch), generator=torch.Generator().manual_seed(width))
    signs: Tensor = (2.0 * drawn.double() - 1) / float(sketch) ** 0.5
    return signs


def _sketched(features: Tensor, sketch: int | None) -> Tensor:
    return features if sketch is None else features @ _signs(features.shape[1], sketch)


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


def triangle_of(square: Tensor) -> Tensor:
    """The upper triangle of a matrix, row by row."""
    rows, columns = torch.triu_indices(*square.shape)
    return square[rows, columns]


def square_of(triangle: Tensor, side: int) -> Tensor:
    """The symmetric matrix with this upper triangle."""
    rows, columns = torch.triu_indices(side, side)
    found = torch.zeros(side, side, dtype=triangle.dtype)
    found[rows, columns] = triangle
    found[columns, rows] = triangle
    return found
