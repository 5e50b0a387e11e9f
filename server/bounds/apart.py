"""How far an update may be from the others', by the distances of this and earlier rounds.

A wrong update of an ordinary length (turned round, or with a backdoor in it) is longer than theirs in what it does not
share with them. The others' centre is their geometric median, so that one that is wrong hardly moves it; what is too
far from it is moved towards it, as in centered clipping (Karimireddy, He & Jaggi, ICML 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.plan.bounds_section import BoundsSection
from fedgraft.common.robust.coefficients import geometric_median
from fedgraft.common.robust.products import Products
from fedgraft.server.bounds.allowance import longest
from fedgraft.server.bounds.lengths import SPREAD, Norms, spread

_ITERATIONS, _SMOOTHING = 8, 0.01


@dataclass(frozen=True)
class Apart:
    """How far a round's updates are from the others'.

    Attributes:
        ratios: each distance in parts of the median one; empty if nothing can be said.
        left: of each update's way from the others' centre, the part that is used: 1 if it is near enough.
        mix: ``(K, K)``: row k says of which updates, times what, the one consists that is used in the k-th's place.
        distances: as they were used; 0 of those that did not move.
        middle, multiple: the median distance, and how many times that is near enough; ``None`` if any is.
    """

    ratios: tuple[float, ...]
    left: tuple[float, ...]
    mix: Products
    distances: tuple[float, ...]
    middle: float = 0.0
    multiple: float | None = None


def apart(
    products: Products, cases: Sequence[int], unused: Sequence[float], earlier: Norms, bounds: BoundsSection
) -> Apart:
    """How far each update is from the others' centre, and what is used of it.

    The multiple of the median distance from which on an update is moved is `BoundsSection.far` at least, and more where
    distances differ more: `BoundsSection.far_deviations` median deviations of their logarithms, over rounds; and more
    for one whose site was nearer before (`fedgraft.server.bounds.allowance`). Of fewer than five updates a deviation
    says too little, and all stay as they are. The median is over hospitals, or over cases if that is larger: one that
    holds most of the cases is no odd one. Updates that did not move do not count.

    Args:
        products: inner products of K updates, shortened as `fedgraft.server.bounds.lengths` says.
        cases: that each update counts for.
        unused: by update, what its site has left of earlier rounds.
        earlier: the distances of the rounds before.
    """
    count = len(products)
    whole = Apart((), (1.0,) * count, np.eye(count), ())
    moved = np.diag(products) > 0
    if bounds.far is None or moved.sum() < SPREAD:
        return whole
    centres = _centres(products, moved)
    squares = np.diag(products) - 2 * (centres * products).sum(axis=1)
    squares = squares + np.einsum("ki,ij,kj->k", centres, products, centres, optimize=True)
    distances = np.sqrt(np.maximum(squares, 0))
    share = np.asarray(cases, np.float64) / sum(cases)
    middle = max(float(np.median(distances[moved])), _median_over(distances[moved], share[moved]))
    if middle <= 0:
        return whole
    multiple = max(bounds.far, float(np.exp(bounds.far_deviations * spread([*earlier, distances[moved].tolist()]))))
    most = np.array([longest(multiple, middle, some) for some in unused])
    most = np.maximum(most, bounds.little * middle / share)
    left = np.where(moved, np.minimum(1.0, most / np.maximum(distances, most)), 1.0)
    mix = np.diag(left) + (1 - left)[:, None] * centres
    used = np.where(moved, distances * left, 0.0)
    return Apart(
        tuple((distances / middle).tolist()), tuple(left.tolist()), mix, tuple(used.tolist()), middle, multiple
    )


def _centres(products: Products, moved: NDArray[np.bool_]) -> Products:
    """``(K, K)``: row k has the coefficients of the centre of the others that moved at all; its own is 0."""
    count, some = len(products), np.zeros(len(products))
    within = products[np.ix_(moved, moved)]
    some[moved] = geometric_median(within, np.ones(len(within)), _ITERATIONS, _SMOOTHING)
    found = np.tile(some, (count, 1))
    np.fill_diagonal(found, 0.0)
    centres: Products = found / found.sum(axis=1, keepdims=True)
    return centres


def _median_over(distances: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """The lower median distance over cases."""
    order = np.argsort(distances)
    held = np.cumsum(share[order])
    return float(distances[order[np.searchsorted(held, held[-1] / 2)]])


def parts_of(mix: Sequence[float]) -> dict[int, float]:
    """Of one row of `Apart.mix`, the updates that are in it: their places, and times what."""
    return {place: float(part) for place, part in enumerate(mix) if part}
