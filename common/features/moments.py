"""Mean and variance of each feature over cases: of one site, and pooled over sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Moments of features over some cases.

    Attributes:
        cases: how many.
        mean: ``(F,)`` float64.
        squares: ``(F,)`` float64, the sum of squared distances from the mean (M2).
    """

    cases: int
    mean: Tensor
    squares: Tensor

    @property
    def variance(self) -> Tensor:
        """``(F,)`` float64, divided by the number of cases."""
        return self.squares / max(self.cases, 1)


def moments_of(features: Tensor) -> Moments:
    """The moments of features ``(N, F)``, every case weighing the same; N of 1 or more."""
    wide = features.double()
    mean = wide.mean(dim=0)
    return Moments(len(wide), mean, (wide - mean).square().sum(dim=0))


def balanced(features: Tensor, labels: Tensor) -> Moments:
    """As `moments_of`, but the classes that are there weigh the same in mean and variance (as if equally common).

    Args:
        labels: ``(N,)`` int64.
    """
    wide = features.double()
    classes, place, counts = labels.unique(return_inverse=True, return_counts=True)
    weights = (1.0 / (len(classes) * counts.double()))[place]
    mean = weights @ wide
    return Moments(len(wide), mean, len(wide) * (weights @ (wide - mean).square()))


def balanced_by(features: Tensor, posteriors: Tensor) -> Moments:
    """As `balanced`, for cases whose class is known by probabilities only; a class that less than half a case is
    expected to have is left out.

    Args:
        posteriors: ``(N, C)`` float64, of each case, with a sum of 1.
    """
    wide, expected = features.double(), posteriors.sum(dim=0)
    there = (expected >= 0.5) | (expected == expected.max())
    weights = (posteriors[:, there] / (int(there.sum()) * expected[there])).sum(dim=1)
    mean = weights @ wide
    return Moments(len(wide), mean, len(wide) * (weights @ (wide - mean).square()))


def pooled(parts: Sequence[Moments]) -> Moments:
    """The moments of all cases, from those of one or more disjoint parts (Chan, Golub & LeVeque 1979)."""
    total = sum(part.cases for part in parts)
    mean = torch.stack([part.cases * part.mean for part in parts]).sum(dim=0) / total
    squares = [part.squares + part.cases * (part.mean - mean).square() for part in parts]
    return Moments(total, mean, torch.stack(squares).sum(dim=0))


def within(parts: Sequence[Moments]) -> Moments:
    """As `pooled`, but with squared distances from each part's own mean: what is left once each part is centred."""
    whole = pooled(parts)
    return Moments(whole.cases, whole.mean, torch.stack([part.squares for part in parts]).sum(dim=0))


def drawn_to(own: Moments, common: Moments, cases: float) -> Moments:
    """``own`` moments drawn to the common ones, which weigh as much as ``cases`` cases: mean and mean square of
    n own cases weigh ``n / (n + cases)``."""
    if cases == 0:
        return own
    share = own.cases / (own.cases + cases)
    mean = share * own.mean + (1 - share) * common.mean
    second = share * (own.variance + own.mean.square()) + (1 - share) * (common.variance + common.mean.square())
    return Moments(own.cases, mean, own.cases * (second - mean.square()).clamp(min=0))


def steadied(noisy: Moments) -> Moments:
    """Moments from sums with noise, of features of which the squares of each case sum up to their number.

    How many cases there were follows from that more closely than from noisy counts; if it were too many, variances of
    features that lie far from 0 would come out near 0, or below. None is below a sixteenth of the median of those above
    0: a feature must not be blown up because noise took nearly all of its variance.
    """
    first, second = noisy.cases * noisy.mean, noisy.squares + noisy.cases * noisy.mean.square()
    cases = float((second.sum() / len(second)).clamp(min=1))
    mean, variance = first / cases, second / cases - (first / cases).square()
    above = variance[variance > 0]
    least = above.median() / 16 if len(above) else torch.ones((), dtype=variance.dtype)
    return Moments(noisy.cases, mean, variance.clamp(min=least) * noisy.cases)
