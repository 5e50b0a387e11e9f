"""One Gaussian over the features that the head sees, from sums over the sites' training cases.

Features are projected to few numbers by a fixed random matrix, so that the sums are small and the covariance of a small
federation can be inverted (Mahalanobis distances of deep features: Lee et al., NeurIPS 2018; random projections keep
distances: Johnson & Lindenstrauss 1984).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

WIDTH = 128
"""Numbers that features are projected to, if there are more."""
_SEED = 20_170_412
_AT_ONCE, _ALIGNED = 2**20, 64
"""Numbers of all parts that are added at a time, 8 MiB; of each part a multiple of so many, and not fewer, so that
torch adds the numbers of a place in the same order wherever the matrices are cut."""


@dataclass(frozen=True)
class Sums:
    """Sums over some cases' projected features.

    Attributes:
        cases: how many.
        mean: ``(k,)`` float64.
        scatter: ``(k, k)`` float64: summed products of the distances from the mean.
    """

    cases: int
    mean: Tensor
    scatter: Tensor


@dataclass(frozen=True)
class Reference:
    """What is familiar.

    Attributes:
        mean: ``(k,)`` float64.
        precision: ``(k, k)`` float64, the inverse covariance.
    """

    mean: Tensor
    precision: Tensor

    def distances(self, features: Tensor) -> Tensor:
        """The mean squared Mahalanobis distance per projected number, ``(N,)`` float64: about 1 for training cases.

        Args:
            features: ``(N, F)``, as the head takes them.
        """
        away = projected(features) - self.mean
        found: Tensor = ((away @ self.precision) * away).sum(dim=1).clamp(min=0) / len(self.mean)
        return found


def projected_width(width: int) -> int:
    """To how many numbers ``width`` features are projected."""
    return min(width, WIDTH)


@lru_cache(maxsize=4)
def projection(width: int) -> Tensor:
    """The fixed matrix, ``(width, k)`` float64: the same for everybody, drawn once; the identity for few features.
    Nobody may write to it."""
    if width <= WIDTH:
        return torch.eye(width, dtype=torch.float64)
    generator = torch.Generator().manual_seed(_SEED)
    return torch.randn(width, WIDTH, generator=generator, dtype=torch.float64) / math.sqrt(width)


def projected(features: Tensor) -> Tensor:
    """Features ``(N, F)`` -> ``(N, k)`` float64."""
    found: Tensor = features.double() @ projection(features.shape[1])
    return found


def sums_of(features: Tensor) -> Sums:
    """The sums over features ``(N, F)``; N of 1 or more."""
    return sums_over(projected(features))


def sums_over(rows: Tensor) -> Sums:
    """The sums over rows ``(N, k)`` float64 as they are; N of 1 or more."""
    mean = rows.mean(dim=0)
    return Sums(len(rows), mean, (rows - mean).T @ (rows - mean))


def scatter_around(mean: Tensor, parts: Sequence[Sums], at_once: int = _AT_ONCE) -> Tensor:
    """The summed scatter of all cases of one or more parts around ``mean`` ``(k,)``, ``(k, k)`` float64.

    A range of places of all parts at a time: copies of thousands of parts' matrices would take gigabytes. Each place's
    numbers are added in one and the same order, whatever the range.

    Args:
        at_once: so many numbers are held at a time, at least `_ALIGNED` of each part.
    """
    cases = torch.tensor([part.cases for part in parts], dtype=torch.float64)[:, None]
    away, flat = torch.stack([part.mean - mean for part in parts]), [part.scatter.flatten() for part in parts]
    size, whole = max(1, at_once // (len(parts) * _ALIGNED)) * _ALIGNED, len(mean) ** 2
    found, begins = torch.empty(whole, dtype=torch.float64), [*range(0, max(1, whole - size + 1), size)]
    for begin, end in zip(begins, [*begins[1:], whole], strict=True):
        row, column = torch.arange(begin, end) // len(mean), torch.arange(begin, end) % len(mean)
        own = torch.stack([one[begin:end] for one in flat])
        own += away[:, row].mul_(away[:, column]).mul_(cases)
        torch.sum(own, dim=0, out=found[begin:end])
    return found.reshape(len(mean), len(mean))


def reference_of(parts: Sequence[Sums]) -> Reference:
    """The Gaussian of all cases of one or more parts. Its covariance is drawn to its diagonal, the less the more cases
    there are: ``n`` cases weigh ``n / (n + k)`` (in the manner of Ledoit & Wolf, J. Multivar. Anal. 2004)."""
    cases = sum(part.cases for part in parts)
    mean = torch.stack([part.cases * part.mean for part in parts]).sum(dim=0) / cases
    covariance = scatter_around(mean, parts) / cases
    share = cases / (cases + len(mean))
    diagonal = torch.diag(covariance)
    floor = 1e-6 * diagonal.max().clamp(min=1e-12)  # a number that never varies is no reason to divide by 0
    drawn = share * covariance + (1 - share) * torch.diag(diagonal) + floor * torch.eye(len(mean), dtype=torch.float64)
    return Reference(mean, torch.linalg.inv(drawn).contiguous())
