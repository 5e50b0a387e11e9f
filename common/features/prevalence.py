"""Estimates of how common each class is among cases without labels, from a model that was trained where it was another
share: label shift, ``p(x | class)`` is the same and ``p(class)`` is not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

_STEPS, _NEAR = 10_000, 1e-9


class Estimated(NamedTuple):
    """The share of each class, ``(C,)`` float64 with a sum of 1; and of each case the probability of each class at
    these shares, ``(N, C)`` float64."""

    prevalence: Tensor
    posteriors: Tensor


def by_em(probabilities: Tensor, prior: Tensor) -> Estimated:
    """The shares under which the cases are most likely (EM of Saerens, Latinne & Decaestecker, Neural Computation 2002,
    section 2.2), from the shares in training.

    It is right if the probabilities are calibrated where the classes have the shares of ``prior``.

    Args:
        probabilities: ``(N, C)``, of N unlabelled cases, 1 or more, each with a sum of 1.
        prior: ``(C,)``, the shares of the classes in training; a class of share 0 stays at 0.
    """
    start = prior.double()
    known = torch.where(start > 0, probabilities.double() / start.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    shares = start / start.sum()
    for _ in range(_STEPS):
        before, shares = shares, _posteriors(known, shares).mean(dim=0)
        if float((shares - before).abs().max()) < _NEAR:
            break
    return Estimated(shares, _posteriors(known, shares))


def _posteriors(known: Tensor, shares: Tensor) -> Tensor:
    """Probabilities in training, divided by the shares there, at other shares."""
    joint = known * shares
    return joint / joint.sum(dim=1, keepdim=True)
