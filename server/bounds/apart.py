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
from fedgraft.common.robust.products import Known, of_some
from fedgraft.server.bounds.allowance import longest
from fedgraft.server.bounds.lengths import SPREAD, Norms, spread

_ITERATIONS, _SMOOTHING = 8, 0.01


@dataclass(frozen=True)
class Apart:
    """How far a round's updates are from the others'.

    Attributes:
        ratios: each distance in parts of the median one; empty if nothing can be said.
        left: of each update's way from the others' centre, the part that is used: 1 if it is near enough.
        centre: ``(K,)``: of which updates, times what, the centre of all consists; that of the others than one consists
            of the same, without that one.
        distances: as they were used; 0 of those that did not move.
        middle, multiple: the median distance, and how many times that is near enough; ``None`` if any is.
    """

    ratios: tuple[float, ...]
    left: tuple[float, ...]
    centre: NDArray[np.float64]
    distances: tuple[float, ...]
    middle: float = 0.0
    multiple: float | None = None

    def parts(self, place: int) -> dict[int, float]:
        """Of which updates, and times what, the one consists that is used in the place of this one."""
        left = self.left[place]
        if left == 1:
            return {place: 1.0}
        others = self.centre.copy()
        others[place] = 0.0
        mixed = (1 - left) * (others / others.sum())
        mixed[place] = left
        return {other: float(mixed[other]) for other in np.flatnonzero(mixed).tolist()}


def apart(
    products: Known, cases: Sequence[int], unused: Sequence[float], earlier: Norms, bounds: BoundsSection
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
    whole = Apart((), (1.0,) * count, np.zeros(count), ())
    squares = products.diagonal()
    moved = squares > 0
    if bounds.far is None or moved.sum() < SPREAD:
        return whole
    centre = _centre(products, moved)
    distances = _distances_from_others(products, centre)
    share = np.asarray(cases, np.float64) / sum(cases)
    middle = max(float(np.median(distances[moved])), _median_over(distances[moved], share[moved]))
    if middle <= 0:
        return whole
    multiple = max(bounds.far, float(np.exp(bounds.far_deviations * spread([*earlier, distances[moved].tolist()]))))
    most = np.array([longest(multiple, middle, some) for some in unused])
    most = np.maximum(most, bounds.little * middle / share)
    left = np.where(moved, np.minimum(1.0, most / np.maximum(distances, most)), 1.0)
    used = np.where(moved, distances * left, 0.0)
    return Apart(
        tuple((distances / middle).tolist()), tuple(left.tolist()), centre, tuple(used.tolist()), middle, multiple
    )


def _centre(products: Known, moved: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(K,)``: the coefficients of the centre of those that moved at all."""
    within = of_some(products, np.flatnonzero(moved), np.ones(int(moved.sum())))
    found = np.zeros(len(products))
    found[moved] = geometric_median(within, np.ones(len(within)), _ITERATIONS, _SMOOTHING)
    return found


def _distances_from_others(products: Known, centre: NDArray[np.float64]) -> NDArray[np.float64]:
    """``(K,)``: how far each update is from the centre of the others.

    With the centre ``c = sum_i c_i x_i``, that of the others than k is ``(c - c_k x_k) / (sum c - c_k)``, so that its
    products with x_k and with itself follow from those of c.
    """
    squares, along = products.diagonal(), products @ centre
    rest = centre.sum() - centre
    with_others = (along - centre * squares) / rest
    of_others = (centre @ along - 2 * centre * along + centre**2 * squares) / rest**2
    found: NDArray[np.float64] = np.sqrt(np.maximum(squares - 2 * with_others + of_others, 0))
    return found


def _median_over(distances: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """The lower median distance over cases."""
    order = np.argsort(distances)
    held = np.cumsum(share[order])
    return float(distances[order[np.searchsorted(held, held[-1] / 2)]])
