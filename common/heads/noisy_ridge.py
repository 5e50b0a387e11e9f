"""Start (and, with ``rounds=0``, end) a head as the ridge regression of noisy sums, for consortia that meet once.

AdaSSP (Wang, UAI 2018, "Revisiting differentially private linear regression", algorithm 2): sums of ``x y`` and of
``x x^T`` are told once, with noise, and the ridge is as large as the noise may have made the smallest eigenvalue of the
latter too small. That eigenvalue is read off the noisy sum, instead of being told apart: it looks at nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fedgraft.common.features.class_sums import SUMS, class_sums
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT
from fedgraft.common.heads.ridge import MOMENTS, Ridge, ridge, square_of, triangle_of
from fedgraft.common.interfaces.head_start import COUNTS, BearsNoise, Sums
from fedgraft.common.plan.types import Positive


class NoisyRidge(BearsNoise):
    """`fedgraft.common.heads.ridge.Ridge` with every case counting the same, and a ridge by the noise.

    A case gives its features and their products; features count as ``x / sqrt(F)``, whose length is about 1, and then
    what it gives has a length of ``sqrt(|x|^2 + |x|^4)``, at most `most`.

    Args:
        least: the ridge is at least so large.
        scale: factor by which the solution is multiplied.
    """

    def __init__(self, least: Positive, scale: Positive) -> None:
        self.least, self.scale = least, scale
        self.noise = 0.0

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        return Ridge.misfit(head, {})

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """``counts (C,)``, ``sums (C, F)`` and ``moments (F (F + 1) / 2,)``, the upper triangle of the sum of
        ``x x^T``; all float64."""
        return self.bounded(features, labels, classes, torch.ones(len(features), dtype=torch.float64))

    def most(self) -> float:
        return math.sqrt(2)

    def lengths(self, features: Tensor) -> Tensor:
        squared = features.double().square().mean(dim=1)
        return (squared + squared.square()).sqrt()

    def bounded(self, features: Tensor, labels: Tensor, classes: int, factors: Tensor) -> Sums:
        wide = features.double()
        less = wide * factors[:, None]
        return {**class_sums(less, labels, classes), MOMENTS: triangle_of(less.T @ wide)}

    def units(self, classes: int, width: int) -> Sums:
        """Of sums the root of F; of products F, and those of two features, which are in ``x x^T`` twice, by the root of
        2 less."""
        products = torch.full((width, width), width / 2**0.5, dtype=torch.float64).fill_diagonal_(float(width))
        return {
            SUMS: torch.full((classes, width), float(width) ** 0.5, dtype=torch.float64),
            MOMENTS: triangle_of(products),
        }

    def bearing(self, noise: float) -> NoisyRidge:
        found = NoisyRidge(self.least, self.scale)
        found.noise = noise
        return found

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        counts, width = sums[COUNTS], sums[SUMS].shape[1]
        moments = square_of(sums[MOMENTS], width)
        most = float(torch.linalg.eigvalsh(moments)[0].clamp(min=0))
        weight, bias = ridge(counts, sums[SUMS], moments, max(self.least, self.spread(width) - most))
        made = {WEIGHT: self.scale * weight, BIAS: self.scale * bias}
        return {name: tensor.to(built[name].dtype) for name, tensor in made.items()}

    def spread(self, width: int) -> float:
        """The size of the noise's largest eigenvalue: twice the root of F times the deviation of its entries beside the
        diagonal (Wigner's semicircle)."""
        beside = self.noise * self.most() * width / math.sqrt(2)
        return 2 * math.sqrt(width) * beside
