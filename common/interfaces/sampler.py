"""Which training cases an epoch shows: what a plan's ``sampling._target_`` must be, a `Sampler` or a `Synthesiser`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Sampler(Protocol):
    """Chooses among the cases that are there, by their labels."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """The cases of one epoch, in order: ``(M,)`` int64, perhaps with repetitions; labels are ``(N,)`` int64."""


@runtime_checkable
class Synthesiser(Protocol):
    """Makes new cases from those that are there; an epoch shows all of them once."""

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """Vectors ``(M, F)`` float32 and labels ``(M,)`` int64: the given ones, and after them new ones; called once
        for a run."""
