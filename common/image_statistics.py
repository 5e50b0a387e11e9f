"""Means over images that sites can add up: what `fedgraft.common.harmonise.Harmoniser.describe` says of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.errors import PlanError


@dataclass(frozen=True)
class ImageStatistics:
    """``means``, ``(K,)``, over ``cases`` images; no case and no number if nothing is told."""

    cases: int = 0
    means: tuple[float, ...] = ()

    @property
    def is_nothing(self) -> bool:
        return self.cases == 0


def pooled_means(found: Sequence[ImageStatistics]) -> tuple[float, ...]:
    """The means over all sites' images, ``(K,)``: what the pooled images would give, up to rounding.

    Raises:
        PlanError: no site told anything.
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
