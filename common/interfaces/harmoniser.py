"""Making images of different scanners alike: what a plan's ``harmonise._target_`` must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Harmoniser(Protocol):
    """Changes an image towards numbers that all sites share."""

    def describe(self, image: Tensor) -> Tensor:
        """What of one image the reference is the mean of: ``(K,)`` float64; the image as for `apply`."""

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        """The image, harmonised.

        Args:
            image: ``(1 or 3, S, S)`` float32 in [0, 1], resized and not normalised.
            reference: ``K`` numbers.

        Returns:
            the same shape and range.
        """
