"""Sampling of training cases: a plan's ``sampling._target_`` must be a `Sampler` or a `Synthesiser`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor


@runtime_checkable
class Sampler(Protocol):
    """Chooses the cases of each epoch, by their labels."""

    def order(self, labels: Tensor, generator: torch.Generator) -> Tensor:
        """One epoch's cases in order: ``(M,)`` int64, perhaps with repetitions; labels are ``(N,)`` int64."""


@runtime_checkable
class Synthesiser(Protocol):
    """Makes new cases from the given ones; an epoch shows all of them once."""

    def synthesise(self, vectors: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        """The given cases followed by new ones; called once per run.

        Args:
            vectors: ``(N, F)`` float32.
            labels: ``(N,)`` int64.

        Returns:
            vectors ``(M, F)`` float32 and labels ``(M,)`` int64.
        """
