"""Class-balanced sampling: first a class is drawn, then a case of it."""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.sampler import Sampler


class Balanced(Sampler):
    """Draws N cases with replacement; a class's probability is proportional to ``n_c^power``.

    Kang et al., Decoupling representation and classifier for long-tailed recognition, ICLR 2020, equation 1.

    Args:
        power: 0 for equally probable classes, 0.5 for square-root sampling; below 1, where all cases would be equally
            probable and nothing balanced.

    Raises:
        PlanError: ``power`` is out of range.
    """

    def __init__(self, power: float = 0.0) -> None:
        if not 0 <= power < 1:
            raise PlanError(f"sampling.power={power} must be 0 or more and below 1, where nothing would be balanced")
        self._power = power

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The cases of one epoch; see `fedgraft.common.interfaces.sampler.Sampler`."""
        counts = torch.bincount(labels).double()
        weights = counts[labels] ** (self._power - 1)  # a case's: n_c^power, divided among the n_c cases
        return torch.multinomial(weights, len(labels), replacement=True, generator=generator)
