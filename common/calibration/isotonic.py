"""Isotonic regression by pooling adjacent violators (Ayer et al., Ann. Math. Stat. 1955)."""

from __future__ import annotations

import numpy as np

from fedgraft.common.calibration.logistic import Floats, Weighed
from fedgraft.common.tasks.metrics import SOFTNESS

ALIKE = 1e-12
"""Values are means of many numbers: those that should be equal differ by rounding."""


def pool_adjacent_violators(values: Floats, weights: Floats) -> Floats:
    """The non-decreasing ``(K,)`` with the least weighted squared distance from ``values``."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0] - ALIKE:
            (low, below, some), (high, above, more) = blocks[-2:]
            blocks[-2:] = [((low * below + high * above) / (below + above), below + above, some + more)]
    return np.repeat([value for value, _, _ in blocks], [size for _, _, size in blocks])


def knots(part: Weighed) -> tuple[tuple[float, float], ...]:
    """Score and log odds of each block, ascending in both: the map is linear in ``asinh`` of the score between them.

    Args:
        part: smoothed (`fedgraft.common.calibration.logistic.smoothed`), so that no block is all negative or all
            positive, and no probability 0 or 1.
    """
    weights = part.negatives + part.positives
    fitted = pool_adjacent_violators(part.positives / weights, weights)
    levels, block = np.unique(fitted, return_inverse=True)
    mass = np.bincount(block, weights)
    middles = np.bincount(block, weights * np.arcsinh(part.scores / SOFTNESS)) / mass
    odds = np.log(levels / (1 - levels))
    return tuple(zip((SOFTNESS * np.sinh(middles)).tolist(), odds.tolist(), strict=True))
