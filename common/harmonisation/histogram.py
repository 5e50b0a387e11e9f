"""Histogram standardisation (Nyúl & Udupa, On Standardizing the MR Image Intensity Scale, Magn. Reson. Med. 1999).

An image's landmarks are percentiles of its pixels. The standard landmarks are their means over all training images; a
piecewise linear function maps each image's landmarks to the standard ones. Two things differ from the paper: images
are already windowed to [0, 1], so that landmarks are averaged without stretching them first; and 0 and 1 are mapped to
themselves, so that no pixel leaves the range. The planes of a colour image are harmonised separately.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.image_statistics import of_planes, three_planes


@dataclass(frozen=True)
class Landmarks:
    """The `fedgraft.common.interfaces.harmoniser.Harmoniser` that maps percentiles of the pixels to shared landmarks.

    ``percentiles``: increasing, each above 0 and below 100.

    Raises:
        PlanError: they are not.
    """

    percentiles: Sequence[float]

    def __post_init__(self) -> None:
        given = tuple(self.percentiles)
        numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in given)
        if not given or not numbers or any(a >= b for a, b in zip((0, *given), (*given, 100), strict=True)):
            raise PlanError("harmonise.percentiles must be numbers above 0 and below 100, each larger than the last")

    def describe(self, image: Tensor) -> Tensor:
        """The landmarks of three planes, ``(3 L,)`` float64."""
        return torch.from_numpy(np.concatenate([self._of(plane) for plane in three_planes(image)]))

    def apply(self, image: Tensor, reference: Sequence[float]) -> Tensor:
        standard = of_planes(torch.tensor(reference, dtype=torch.float64).reshape(3, -1), len(image))
        planes = [_mapped(plane, self._of(plane), to.numpy()) for plane, to in zip(image, standard, strict=True)]
        return torch.stack(planes)

    def _of(self, plane: Tensor) -> NDArray[np.float64]:
        """A plane's landmarks, ``(S, S)`` -> ``(L,)`` float64."""
        return np.asarray(np.percentile(plane.double().numpy(), list(self.percentiles)), np.float64)


def _mapped(plane: Tensor, own: NDArray[np.float64], standard: NDArray[np.float64]) -> Tensor:
    """Map a plane's landmarks ``own`` to ``standard``: ``(S, S)`` float32 in [0, 1] -> the same.

    Landmarks that coincide are mapped to the mean of their standard ones, so that the function has no step. Landmarks
    at 0 and 1 (a black background) stay there.
    """
    given, target = np.array([0.0, *own, 1.0]), np.array([0.0, *standard, 1.0])
    knots, which, counts = np.unique(given, return_inverse=True, return_counts=True)
    values = np.bincount(which, target) / counts
    values[0], values[-1] = 0.0, 1.0
    return torch.from_numpy(np.interp(plane.numpy(), knots, values).astype(np.float32)).clamp(0, 1)
