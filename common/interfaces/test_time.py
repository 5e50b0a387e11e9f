"""Adapting a model at a site that never trained: what a plan's ``adapt._target_`` must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Adapting(Protocol):
    """Changes a network by a site's unlabelled cases."""

    def require_effect(self, network: nn.Module) -> None:
        """Called when the model is built, at the coordinator and at every site.

        Raises:
            PlanError: the network has nothing to adapt.
        """

    def __call__(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        """In place.

        Args:
            network: whole: ``(B, *shape) -> (B, outputs)``.
            batches: the site's inputs, ``(B, *shape)`` float32, B > 1; may be gone through several times.

        Raises:
            PlanError: the network has nothing to adapt.
        """
