"""Robust means of updates as coefficients: the mean is the sum of the updates, each times its coefficient."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.robust.products import Known, Products, distances

Coefficients = NDArray[np.float64]


def geometric_median(products: Known, weights: Coefficients, iterations: int, smoothing: float) -> Coefficients:
    """The point with the smallest weighted sum of distances to the updates, by the smoothed Weiszfeld algorithm (RFA,
    Pillutla, Kakade & Harchaoui, IEEE Transactions on Signal Processing 2022, algorithm 2), from their mean on.

    Args:
        weights: above 0.
        smoothing: distances below this share of the median norm count as that.

    Returns:
        ``(K,)``, 0 or more, of sum 1.
    """
    found: Coefficients = weights / weights.sum()
    least = smoothing * float(np.median(np.sqrt(np.maximum(products.diagonal(), 0))))
    for _ in range(iterations):
        far = np.maximum(distances(products, found), max(least, np.finfo(np.float64).tiny))
        found = weights / far
        found /= found.sum()
    return found


def centered_clipping(products: Products, weights: Coefficients, iterations: int, radius: float) -> Coefficients:
    """Around a centre, at first the model that was sent, updates are shortened to a radius, and their weighted mean is
    the next centre (Karimireddy, He & Jaggi, ICML 2021, equation 1).

    Args:
        weights: above 0.
        radius: in parts of the median norm, so that it suits every rate.

    Returns:
        ``(K,)``; the sum is at most 1, and what is missing stays at the model that was sent.
    """
    share = weights / weights.sum()
    longest = radius * float(np.median(np.sqrt(np.maximum(np.diag(products), 0))))
    found: Coefficients = np.zeros(len(weights))
    for _ in range(iterations):
        far = np.maximum(distances(products, found), np.finfo(np.float64).tiny)
        part = share * np.minimum(1.0, longest / far)
        found = found * (1 - part.sum()) + part
    return found
