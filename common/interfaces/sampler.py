"""Which training cases an epoch shows: what a plan's ``sampling._target_`` must be."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Sampler(Protocol):
    """Chooses cases by their labels; also where new ones are made from them, of vectors."""

    def makes(self) -> bool:
        """Whether `made` gives cases that were not there; else `order` chooses among those that are."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The cases of one epoch, in order: ``(M,)`` int64, perhaps with repetitions; labels are ``(N,)`` int64."""

    def made(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Vectors ``(M, F)`` float32 and labels ``(M,)``: the given ones, and new ones, drawn once for a run."""
