"""Confidence intervals of shares of cases."""

from __future__ import annotations

import math
from statistics import NormalDist


def quantile(level: float) -> float:
    """How many standard deviations to each side of the mean hold the share ``level`` of a normal distribution."""
    return NormalDist().inv_cdf((1 + level) / 2)


def wilson(successes: int, cases: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a share (Wilson, J. Am. Stat. Assoc. 1927); (0, 1) without cases."""
    if not cases:
        return 0.0, 1.0
    z, share = quantile(level), successes / cases
    middle = (share + z**2 / (2 * cases)) / (1 + z**2 / cases)
    half = z / (1 + z**2 / cases) * math.sqrt(share * (1 - share) / cases + z**2 / (4 * cases**2))
    low = 0.0 if not successes else middle - half  # exactly: rounding may leave 1e-18
    return low, 1.0 if successes == cases else middle + half
