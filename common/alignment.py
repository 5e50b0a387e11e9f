"""Making features alike at all sites: what a plan's ``alignment._target_`` must be."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Alignment(Protocol):
    """A loss on the features before the head, against moments of them that all sites share."""

    def reference(self, width: int, classes: int) -> nn.Module:
        """Holds the shared moments as buffers, all 0 until they are known; ``reference.*`` in the model's state.

        Args:
            width: features before the head.
            classes: outputs of the network.
        """
