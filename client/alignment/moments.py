"""First and second moments of features, and the Gaussian that has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

FIRST, SECOND = "first", "second"


def shapes(dimensions: int) -> dict[str, tuple[int, ...]]:
    """Of one case's ``z`` and ``z z^T``."""
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
        """From the means of ``z`` and ``z z^T`` over all cases: ``E[z z^T] - E[z] E[z]^T``."""
        first = means[FIRST].double()
        return cls(first.float(), (means[SECOND].double() - torch.outer(first, first)).float())

    @classmethod
    def of_sample(cls, points: Tensor) -> Gaussian:
        """Of points ``(B, k)``, B at least 2; the covariance is the unbiased one."""
        return cls(points.mean(dim=0), torch.cov(points.T).reshape(points.shape[1], points.shape[1]))

    def root(self) -> Tensor:
        """``(k, k)`` float32 ``R`` with ``R R^T`` = covariance; what rounding made negative counts as 0."""
        values, vectors = torch.linalg.eigh(self.covariance.double())
        root: Tensor = vectors * values.clamp(min=0).sqrt()
        return root.float()
