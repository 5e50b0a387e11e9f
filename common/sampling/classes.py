"""Cases by class, which samplings share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError


def by_class(labels: Tensor) -> list[Tensor]:
    """The cases of each class that has one, ``(n,)`` int64 each; labels are ``(N,)`` int64."""
    return [torch.nonzero(labels == label)[:, 0] for label in labels.unique().tolist()]


def shuffled(parts: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    """The cases of all parts in random order."""
    cases = torch.cat(list(parts))
    return cases[torch.randperm(len(cases), generator=generator)]


def require_share(share: float) -> float:
    """``share``, of the commonest class that a rarer one comes up to.

    Raises:
        PlanError: it is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise PlanError(f"sampling.share={share} must be above 0 and at most 1: the part of the commonest class")
    return share
