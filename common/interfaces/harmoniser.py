"""Harmonisation of images from different scanners: what a plan's ``harmonise._target_`` must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Harmoniser(Protocol):
    """Changes images towards a reference: means over all sites' images of some numbers."""

    def describe(self, image: Tensor) -> Tensor:
        """The numbers of one image whose means are the reference: ``(K,)`` float64; the image is as for `apply`."""

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        """Harmonise an image.

        Args:
            image: ``(1 or 3, S, S)`` float32 in [0, 1], resized and not normalised.
            reference: ``K`` numbers.

        Returns:
            the same shape and range.
        """
