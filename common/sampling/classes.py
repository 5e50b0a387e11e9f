"""What the samplings have in common: cases by class, shuffling, and the check of ``share``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError


def by_class(labels: Tensor) -> list[Tensor]:
    """The indices of each class's cases, ``(n,)`` int64, for classes that have one; labels are ``(N,)`` int64."""
    return [torch.nonzero(labels == label)[:, 0] for label in labels.unique().tolist()]


def shuffled(parts: Sequence[Tensor], generator: torch.Generator) -> Tensor:
    """The cases of all parts, ``(n,)`` int64 each, in random order."""
    cases = torch.cat(list(parts))
    return cases[torch.randperm(len(cases), generator=generator)]


def require_share(share: float) -> float:
    """Return ``share``, the share of the commonest class up to which others are filled, after checking it.

    Raises:
        PlanError: it is not above 0 and at most 1.
    """
    if not 0 < share <= 1:
        raise PlanError(f"sampling.share={share} must be above 0 and at most 1: the part of the commonest class")
    return share
