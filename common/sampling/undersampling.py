"""Undersampling: an epoch leaves out cases of common classes."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.sampler import Sampler
from fedgraft.common.sampling.classes import by_class, shuffled


class Undersampling(Sampler):
    """Shows of each class at most ``ratio`` times as many cases as of the site's rarest; drawn anew for each epoch.

    Over many epochs every case is seen. Epochs are shorter than without sampling, so that more of them are needed.

    Args:
        ratio: 1 or more; at 1 all classes are shown equally often.

    Raises:
        PlanError: ``ratio`` is out of range.
    """

    def __init__(self, ratio: float = 1.0) -> None:
        if not (math.isfinite(ratio) and ratio >= 1):
            raise PlanError(f"sampling.ratio={ratio} must be 1 or more: so many cases for one of the rarest class")
        self._ratio = ratio

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The cases of one epoch; see `fedgraft.common.interfaces.sampler.Sampler`."""
        classes = by_class(labels)
        most = int(self._ratio * min(len(cases) for cases in classes))
        kept = [cases[torch.randperm(len(cases), generator=generator)[:most]] for cases in classes]
        return shuffled(kept, generator)
