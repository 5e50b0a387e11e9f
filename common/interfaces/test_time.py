"""Test-time adaptation, at a site that never trains: what a plan's ``adapt._target_`` must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Adapting(Protocol):
    """Adapts a network to a site's unlabelled cases.

    A class with ``needs_classes = True`` reads outputs as logits of classes, and is refused for any other task.
    """

    def require_effect(self, network: nn.Module) -> None:
        """Check that the network can be adapted; called when a model is built, at the coordinator and at every site.

        Raises:
            PlanError: the network has nothing to adapt.
        """

    def __call__(self, network: nn.Module, batches: Iterable[Tensor]) -> None:
        """Adapt the network in place.

        Args:
            network: the whole network, ``(B, *shape) -> (B, outputs)``.
            batches: the site's inputs, ``(B, *shape)`` float32, B > 1; may be iterated several times.

        Raises:
            PlanError: the network has nothing to adapt.
        """
