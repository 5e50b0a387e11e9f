"""Adapting a model at a site that never trained: what a plan's ``adapt._target_`` must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Adapting(Protocol):
    """Changes a network by a site's unlabelled cases."""

    def __call__(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        """In place.

        Args:
            network: whole: ``(B, *shape) -> (B, outputs)``.
            batches: the site's inputs, ``(B, *shape)`` float32; may be gone through several times.

        Raises:
            PlanError: the network has nothing to adapt.
        """
