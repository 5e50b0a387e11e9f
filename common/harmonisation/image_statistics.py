"""Means over images of `fedgraft.common.interfaces.harmoniser.Harmoniser.describe`, which can be pooled over sites."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from fedgraft.common.errors import PlanError


@dataclass(frozen=True)
class ImageStatistics:
    """A site's ``means``, ``(K,)``, over ``cases`` images; 0 cases and no means if the site releases nothing."""

    cases: int = 0
    means: tuple[float, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return self.cases == 0


def pooled_means(found: Sequence[ImageStatistics]) -> tuple[float, ...]:
    """The means over all sites' images, ``(K,)``: equal, up to rounding, to those of the pooled images.

    Raises:
        PlanError: no site released anything.
    """
    told = [one for one in found if not one.is_nothing]
    if not told:
        raise PlanError(
            "harmonise.reference=[] takes means over the sites' images, of which no site told anything "
            "(release.statistics=false, or fewer training patients than min_count); write the numbers into "
            "harmonise.reference, or use harmonise=none"
        )
    cases = np.array([one.cases for one in told], np.float64)
    means = np.array([one.means for one in told], np.float64)
    return tuple((cases @ means / cases.sum()).tolist())


def three_planes(image: Tensor) -> Tensor:
    """``(1 or 3, S, S)`` -> ``(3, S, S)``."""
    return image.expand(3, -1, -1)


def of_planes(numbers: Tensor, planes: int) -> Tensor:
    """``(3, K)`` numbers of three planes -> ``(planes, K)``: for a grey image (one plane), the mean of the three."""
    return numbers if planes == 3 else numbers.mean(0, keepdim=True)
