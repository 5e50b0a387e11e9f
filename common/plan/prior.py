"""How common each class is for the model that a plan trains, which need not be how common it is among its cases."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedgraft.common import tasks
from fedgraft.common.errors import WireError


def estimates_prevalence(plan: Any) -> bool:
    """Whether a site that never trains estimates the prevalence of its unlabelled cases: class-balanced moments
    (``features.scale=own_balanced``) need labels, and it may not look at its own."""
    held_out = bool(getattr(plan, "hold_out", ()))
    return held_out and plan.features.scale == "own_balanced" and plan.data.task == "classification"


def asks_prior(plan: Any) -> bool:
    """Whether a site that never trains needs the class counts of all others, to estimate its prevalence."""
    return estimates_prevalence(plan) and not _is_balanced(plan)


def prior_of(plan: Any, counts: tuple[int, ...] | None) -> Tensor:
    """The share of each class for the plan's model, ``(C,)`` float64: equal ones if the plan balances classes, else by
    cases, times their weight in the loss.

    It is exact for ``loss.weights=none`` and ``global``, and for ``local`` if all sites have all classes. Sampling
    counts as balancing in full, and so does a loss with a prior.

    Args:
        counts: training cases by class, over all sites that train.

    Raises:
        WireError: the coordinator sent none, and they are needed.
    """
    if _is_balanced(plan):
        return torch.full((len(plan.data.classes),), 1 / len(plan.data.classes), dtype=torch.float64)
    if counts is None or len(counts) != len(plan.data.classes):
        raise WireError("features.scale=own_balanced at a site of hold_out, but the coordinator sent no class counts")
    shares = torch.tensor(counts, dtype=torch.float64)
    if plan.rounds and plan.loss.weights != "none":
        shares *= tasks.of(plan.data).weights(counts, plan.loss.scheme, plan.loss.beta)
    return shares / shares.sum()


def _is_balanced(plan: Any) -> bool:
    if plan.rounds == 0:  # the model is the first head
        return bool(plan.initial.options.get("balanced", True))
    weighed = plan.loss.weights != "none" and plan.loss.scheme == "inverse"
    return weighed or plan.loss.prior != "none" or plan.sampling.target is not None
