"""Weights for rare classes and findings, from counts of training cases.

A scheme gives the total weight of a class, summed over its n cases:

- ``inverse``: the same for every class (King & Zeng, Political Analysis 2001);
- ``square_root``: proportional to ``sqrt(n)``: on a logarithmic scale half way between inverse and no weights;
- ``effective``: proportional to ``n * (1 - beta) / (1 - beta ** n)``: a case's weight is the inverse of its class's
  effective number of samples (Cui et al., CVPR 2019, equation 2); beta 0 means no weights, beta near 1 inverse.

Weights are scaled to a mean of 1 over cases, so that the same learning rates are suitable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import Scheme


def class_weights(counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
    """The weights of classes, ``(C,)`` float32: ``w_c = N * m_c / (n_c * sum_k m_k)``, ``m_c`` a class's total weight.

    With ``inverse`` this is ``N / (C * n_c)``, where C is the number of classes with cases. A class without cases
    gets 0.

    Args:
        beta: for ``effective`` only; at least 0 and below 1.

    Raises:
        PlanError: no class has a case.
    """
    if not any(counts):
        raise PlanError("loss.weights: no class has a training case")
    return torch.tensor(_weights(counts, scheme, beta))


def finding_weights(counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
    """The weights of each finding's negatives and positives, as `class_weights` of two classes, ``(2C,)`` float32.

    With ``inverse`` these are ``n / (2 * n_side)``, with n the finding's known cases, also if all are positive or all
    negative. Negatives or positives without cases get 0.

    Args:
        counts: 2C numbers: for each finding, its known negatives and positives.

    Returns:
        ``(2C,)`` float32, in the same order.

    Raises:
        PlanError: no finding has a known label.
    """
    if not any(counts):
        raise PlanError("loss.weights: no finding is known of any training case")
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return torch.tensor([weight for pair in pairs for weight in _side_weights(pair, scheme, beta)])


def _side_weights(pair: tuple[int, int], scheme: Scheme, beta: float | None) -> list[float]:
    if not any(pair):
        return [0.0, 0.0]
    lonely = 0 in pair  # half, as if the other side were there: its pull is one-sided
    return [weight / 2 if lonely else weight for weight in _weights(pair, scheme, beta)]


def _weights(counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> list[float]:
    mass = [_mass(count, scheme, beta) for count in counts]
    total, whole = sum(counts), sum(mass)
    return [total * some / (whole * count) if count else 0.0 for some, count in zip(mass, counts, strict=True)]


def _mass(count: int, scheme: Scheme, beta: float | None) -> float:
    """The total weight of a class's cases, up to a factor that is the same for all classes."""
    if count == 0:
        return 0.0
    if scheme == "inverse":
        return 1.0
    if scheme == "square_root":
        return math.sqrt(count)
    if not beta:
        return float(count)
    return count * (1 - beta) / -math.expm1(count * math.log(beta))


def are_one(weights: Tensor, counts: Sequence[int]) -> bool:
    """Whether weights have no effect: those of classes with cases are all 1."""
    return not any(count and abs(weight - 1) > 1e-6 for weight, count in zip(weights.tolist(), counts, strict=True))
