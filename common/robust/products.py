"""Inner products of updates: what a robust mean needs to know of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Products = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
_AT_ONCE = 1 << 14
"""Numbers of each update at once: those of ten stay in the processor's cache."""


def inner_products(tensors: Iterable[tuple[Numbers, Sequence[Numbers]]], updates: int) -> Products:
    """``(K, K)`` float64: the inner products of K updates, each what came less what was sent, over all tensors.

    Args:
        tensors: of each tensor, that which was sent, and the K that came; finite, of one shape.
        updates: K.
    """
    found, buffer = np.zeros((updates, updates)), np.empty((updates, _AT_ONCE))
    for sent, came in tensors:
        before, rows = sent.ravel(), [one.ravel() for one in came]
        for start in range(0, len(before), _AT_ONCE):
            part = before[start : start + _AT_ONCE]
            moved = buffer[:, : len(part)]
            for place, row in enumerate(rows):
                moved[place] = row[start : start + _AT_ONCE]
            moved -= part
            found += moved @ moved.T
    return found


def distances(products: Products, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(K,)``: how far each update is from the sum of them with these coefficients."""
    along = products @ coefficients
    squares = np.diag(products) - 2 * along + coefficients @ along
    found: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0))
    return found
