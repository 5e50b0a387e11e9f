"""Weights for rare classes and findings, from counts of training cases.

A scheme says how much each class weighs in the sum over cases, all its n cases together:

- ``inverse``: the same for every class (King & Zeng, Political Analysis 2001);
- ``square_root``: in proportion to ``sqrt(n)``, half way, on a logarithmic scale, between inverse and no weights;
- ``effective``: in proportion to ``n * (1 - beta) / (1 - beta ** n)``, so that a case weighs the inverse of its class's
  effective number of samples (Cui et al., CVPR 2019, equation 2); beta 0 is no weights, and near 1 it is inverse.

Weights are scaled to a mean of 1 over cases, so that a learning rate keeps its meaning.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import Scheme


def class_weights(counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
    """``(C,)`` float32: ``w_c = N * m_c / (n_c * sum_k m_k)``, with ``m`` what the scheme gives a class in all.

    With ``inverse`` this is ``N / (C * n_c)``, where C counts the classes that have a case. A class without a case
    gets 0.

    Args:
        beta: of ``effective``, at least 0 and below 1; read by no other scheme.

    Raises:
        PlanError: no class has a case.
    """
    if not any(counts):
        raise PlanError("loss.weights: no class has a training case")
    return torch.tensor(_weights(counts, scheme, beta))


def finding_weights(counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
    """The weights of each finding's two sides, as `class_weights` gives them for two classes, finding by finding.

    With ``inverse``, ``w = n_f / (2 * n_side)``: also of a finding of which only one side has a case. A side without a
    case gets 0.

    Args:
        counts: of ``2C``: the known negatives and positives of the first finding, then of the second, and so on.

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
    """What all cases of a class weigh together, up to a factor that all classes share."""
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
    """Whether weights change nothing: they are 1 wherever a case is counted; the others are of no account."""
    return not any(count and abs(weight - 1) > 1e-6 for weight, count in zip(weights.tolist(), counts, strict=True))
