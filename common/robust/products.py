"""Inner products of updates: what a robust mean needs to know of them.

They are written out as a matrix, unless it would be larger than the updates themselves (`Rows`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Products = NDArray[np.float64]
Numbers = NDArray[np.floating[Any]] | NDArray[np.integer[Any]]
MANY = 1000
"""Of so many updates the matrix is written out in any case."""
_AT_ONCE = 1 << 14
"""Numbers of each update at once: those of ten stay in the processor's cache."""


@dataclass(frozen=True)
class Rows:
    """The inner products of K updates of N numbers each, K > N, which are not written out.

    Attributes:
        moved: ``(K, N)`` float64: what came less what was sent.
    """

    moved: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.moved)

    def __matmul__(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """``(K,)``: of each update with the sum of all, times their coefficients."""
        found: NDArray[np.float64] = self.moved @ (coefficients @ self.moved)
        return found

    def diagonal(self) -> NDArray[np.float64]:
        """``(K,)``: the squares of the norms."""
        found: NDArray[np.float64] = np.vecdot(self.moved, self.moved)
        return found


Known = Products | Rows
"""Inner products, written out or not: both have a diagonal, and a product with a vector."""
Places = Sequence[int] | NDArray[np.intp]


def of_some(products: Known, places: Places, factors: NDArray[np.float64]) -> Known:
    """The inner products of some updates, each times a factor.

    Args:
        places: of the M updates, ascending.
        factors: ``(M,)``.
    """
    same = len(places) == len(products)
    if isinstance(products, Rows):
        if same and (factors == 1).all():
            return products
        return Rows(products.moved[places] * factors[:, None])
    at = np.asarray(places, np.intp)
    found = products if same else products[at[:, None], at]
    scaled: Products = found * np.outer(factors, factors)
    return scaled


def written_out(products: Known, places: Places) -> Products:
    """``(M, M)``: the inner products of M of the updates; their places ascend."""
    if isinstance(products, Rows):
        some = products.moved[places]
        return some @ some.T
    at = np.asarray(places, np.intp)
    return products if len(places) == len(products) else products[at[:, None], at]


def products_of_rows(tensors: Sequence[tuple[Numbers, Sequence[Numbers]]], updates: int) -> Known:
    """The inner products of K updates, written out only if that is the smaller; arguments as of `inner_products`."""
    size = sum(sent.size for sent, _ in tensors)
    if updates <= max(size, MANY):
        return inner_products(tensors, updates)
    moved, start = np.empty((updates, size)), 0
    for sent, came in tensors:
        part = moved[:, start : start + sent.size]
        for place, one in enumerate(came):
            part[place] = one.ravel()
        part -= sent.ravel()
        start += sent.size
    return Rows(moved)


def inner_products(tensors: Iterable[tuple[Numbers, Sequence[Numbers]]], updates: int) -> Products:
    """``(K, K)`` float64: the inner products of K updates, each what came less what was sent, over all tensors.

    Args:
        tensors: of each tensor, that which was sent, and the K that came; finite, of one shape.
        updates: K.
    """
    some = list(tensors)
    widest = min(_AT_ONCE, max((sent.size for sent, _ in some), default=0))
    found, buffer = np.zeros((updates, updates)), np.empty((updates, widest))
    for sent, came in some:
        before, rows = sent.ravel(), [one.ravel() for one in came]
        for start in range(0, len(before), _AT_ONCE):
            part = before[start : start + _AT_ONCE]
            moved = buffer[:, : len(part)]
            for place, row in enumerate(rows):
                moved[place] = row[start : start + _AT_ONCE]
            moved -= part
            found += moved @ moved.T
    return found


def distances(products: Known, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(K,)``: how far each update is from the sum of them with these coefficients."""
    along = products @ coefficients
    squares = products.diagonal() - 2 * along + coefficients @ along
    found: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0))
    return found
