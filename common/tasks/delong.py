"""The variance of an AUROC from binned scores, and its interval."""

from __future__ import annotations

import math

import numpy as np

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.intervals import quantile


def auroc_with_variance(counts: ScoreCounts) -> tuple[float, float] | None:
    """The AUROC, and its variance over cases drawn anew (DeLong et al., Biometrics 1988), in which the cases of a bin
    are ties; ``None`` with fewer than two cases of a side."""
    negatives, positives = counts.negatives.astype(float), counts.positives.astype(float)
    healthy, sick = negatives.sum(), positives.sum()
    if healthy < 2 or sick < 2:
        return None
    below = (np.cumsum(negatives) - negatives / 2) / healthy  # of each positive case: the negatives that it beats
    above = 1 - (np.cumsum(positives) - positives / 2) / sick
    area = float(positives @ below / sick)
    spread = (
        positives @ (below - area) ** 2 / (sick - 1) / sick + negatives @ (above - area) ** 2 / (healthy - 1) / healthy
    )
    return area, float(spread)


def auroc_interval(area: float, variance: float, level: float = 0.95) -> tuple[float, float]:
    """On the scale of log odds, so that it stays between 0 and 1 (Pepe 2003, section 5.2.3); of an AUROC of 0 or 1,
    which has no variance, the whole range."""
    if not 0 < area < 1 or variance <= 0:
        return 0.0, 1.0
    middle, half = math.log(area / (1 - area)), quantile(level) * math.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + math.exp(-(middle + step))) for step in (-half, half))
    return low, high
