"""How noisy steps are taken (DP-SGD, Abadi et al., CCS 2016), whatever is trained by them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.privacy.clipping import Patients
from fedgraft.common.errors import DivergenceError


@dataclass(frozen=True)
class NoisySteps:
    """
    Attributes:
        steps: how many.
        patients: of the training cases.
        count: how many patients there are, with noise.
        bound: the most that a patient gives to a step.
        noise: its deviation, in lengths of ``bound``.
        sampled: the probability with which a patient is in a step.
    """

    steps: int
    patients: Patients
    count: int
    bound: float
    noise: float
    sampled: float


def diverged(weights: Iterable[Tensor], lr: float) -> DivergenceError | None:
    """The error if a weight is not finite after training at a rate."""
    if all(bool(torch.isfinite(one).all()) for one in weights):
        return None
    return DivergenceError(f"training diverged: a weight is not finite with train.lr={lr:g}; lower train.lr")
