"""Estimates of how common each class is among cases without labels, from a model that was trained where it was another
share: label shift, ``p(x | class)`` is the same and ``p(class)`` is not."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from fedgraft.common.errors import DataError

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


def by_bbse(confusion: Tensor, predicted: Tensor) -> Tensor:
    """The shares that explain how often each class is predicted (black box shift estimation: Lipton, Wang & Smola, ICML
    2018, section 3): the solution of ``sum_c p(predicted | c) q(c) = predicted``, negative shares set to 0.

    It needs no calibrated probabilities.

    Args:
        confusion: ``(C, C)``, cases by (class, predicted class) where labels are known, of cases that the model was not
            trained on.
        predicted: ``(C,)``, shares of the predicted classes among the unlabelled cases.

    Returns:
        ``(C,)`` float64 with a sum of 1.

    Raises:
        DataError: a class has no case in ``confusion``, or predictions do not tell the classes apart.
    """
    counts = confusion.double()
    cases = counts.sum(dim=1, keepdim=True)
    if bool((cases == 0).any()):
        raise DataError("the confusion matrix lacks cases of a class, whose prevalence can't be estimated then")
    rates = (counts / cases).T
    if int(torch.linalg.matrix_rank(rates)) < len(rates):
        raise DataError(
            "the model's predictions do not tell the classes apart: prevalence can't be estimated from them"
        )
    shares: Tensor = torch.linalg.solve(rates, predicted.double()).clamp(min=0)
    return shares / shares.sum()


def _posteriors(known: Tensor, shares: Tensor) -> Tensor:
    """Probabilities in training, divided by the shares there, at other shares."""
    joint = known * shares
    return joint / joint.sum(dim=1, keepdim=True)
