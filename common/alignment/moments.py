"""First and second moments of features ``z``, and the Gaussian with these moments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST, SECOND = "first", "second"


def shapes(dimensions: int) -> dict[str, tuple[int, ...]]:
    """The shapes of one case's ``z`` and ``z z^T``, by name."""
    return {FIRST: (dimensions,), SECOND: (dimensions, dimensions)}


def sums(points: Tensor) -> dict[str, Tensor]:
    """``sum z`` and ``sum z z^T`` over points ``(N, k)``, float64."""
    wide = points.double()
    return {FIRST: wide.sum(dim=0), SECOND: wide.T @ wide}


@dataclass(frozen=True)
class Gaussian:
    """``mean`` ``(k,)`` and ``covariance`` ``(k, k)``, float32."""

    mean: Tensor
    covariance: Tensor

    @classmethod
    def of_means(cls, means: Mapping[str, Tensor]) -> Gaussian:
        """The Gaussian of all cases, from the means of ``z`` and ``z z^T``; covariance ``E[z z^T] - E[z] E[z]^T``."""
        first = means[FIRST].double()
        return cls(first.float(), (means[SECOND].double() - torch.outer(first, first)).float())

    @classmethod
    def of_sample(cls, points: Tensor) -> Gaussian:
        """The sample mean and unbiased covariance of points ``(B, k)``, B at least 2."""
        return cls(points.mean(dim=0), torch.cov(points.T).reshape(points.shape[1], points.shape[1]))

    def variance(self) -> Tensor:
        """The mean of the ``k`` variances, a scalar that can be divided by: at least 1e-12, and at least 1e-4 of the
        squared mean, below which float32 rounding of the moments dominates."""
        variance = self.covariance.diagonal().mean()
        return torch.maximum(variance, 1e-4 * self.mean.square().mean()).clamp(min=1e-12)

    def root(self) -> Tensor:
        """``R`` ``(k, k)`` float32 with ``R R^T`` = covariance; eigenvalues that rounding made negative count as 0."""
        values, vectors = torch.linalg.eigh(self.covariance.double())
        root: Tensor = vectors * values.clamp(min=0).sqrt()
        return root.float()
