"""Weights for rare classes and findings, from counts of training cases."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError


def inverse_frequency(counts: tuple[int, ...]) -> Tensor:
    """``w_c = N / (C * n_c)`` (King & Zeng 2001), ``(C,)`` float32, where C counts the classes that have a case.

    Every class then weighs the same in the sum over cases. A class without a case gets 0.

    Raises:
        PlanError: no class has a case.
    """
    present = sum(count > 0 for count in counts)
    if present == 0:
        raise PlanError("loss.weights: no class has a training case")
    total = sum(counts)
    return torch.tensor([total / (present * count) if count else 0.0 for count in counts])


def inverse_frequency_by_finding(counts: tuple[int, ...]) -> Tensor:
    """``w_{f,side} = n_f / (2 * n_{f,side})``: both sides of a finding weigh the same. A side without a case gets 0.

    Args:
        counts: of ``2C``: the known negatives and positives of the first finding, then of the second, and so on.

    Returns:
        ``(2C,)`` float32, in the same order.

    Raises:
        PlanError: no finding has a known label.
    """
    if not any(counts):
        raise PlanError("loss.weights: no finding is known of any training case")
    known = [sum(counts[place - place % 2 :][:2]) for place in range(len(counts))]
    return torch.tensor([n / (2 * count) if count else 0.0 for n, count in zip(known, counts, strict=True)])
