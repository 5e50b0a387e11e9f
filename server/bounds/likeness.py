"""How like the others' a site's update is, and which sites are to be named for it.

A site's update points, to first order, to where the loss of its own cases falls. So the inner product of one site's
update with the others' mean says what it does to *their* cases: positive, their loss falls when it is in; negative, it
rises. It costs nothing, needs no further message, and can't be denied by what the site tells of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.robust.products import Known, Products, written_out

AGREEING = 0.2
"""The median cosine from which the other sites are said to agree."""
AGAINST = -0.4
"""A site whose cosine is below this while the others agree pulls against them."""
EARLY, FIRST = 4, -0.3
"""A site whose first rounds, so many, have a larger mean cosine is not named: training is not in balance then."""
LOOKED_AT = 500
"""Of more updates, so many, evenly spaced, say whether the others agree: of each pair the cosine is looked at."""
_NOTHING = 1e-12
"""A sum of others that is so short beside its parts is none."""


@dataclass(frozen=True)
class Likeness:
    """One site's update beside the others' in its round; all ``None`` if it is alone, or if nothing moved.

    Attributes:
        cosine: between it and the sum of the others' directions.
        effect: what it adds to the others' progress, in parts of it: its share of the mean times the projection of its
            update on theirs; below 0 it takes away, at -1 all of it.
        agreement: the median cosine of the others among themselves.
    """

    cosine: float | None = None
    effect: float | None = None
    agreement: float | None = None

    @property
    def is_against(self) -> bool:
        """Whether it pulls against others that agree."""
        return (
            self.cosine is not None
            and self.agreement is not None
            and self.agreement >= AGREEING
            and self.cosine <= AGAINST
        )


def likenesses(products: Known, weights: Sequence[int]) -> list[Likeness]:
    """How like each update is to the others.

    Args:
        products: inner products of the updates as they are used.
        weights: their weights in a mean.
    """
    norms = np.sqrt(np.maximum(products.diagonal(), 0))
    count = len(norms)
    if count < 2 or not norms.all():
        return [Likeness() for _ in norms]
    along = (products @ (1 / norms)) / norms
    cosines = _or_none(along - 1, np.sqrt(_positive(along.sum() - 2 * along + 1, count)))
    share = np.asarray(weights, np.float64) / sum(weights)
    pulled, own = products @ share, share * norms**2
    rest = _positive(share @ pulled - 2 * share * pulled + share * own, float(share @ pulled))
    effects = _or_none(share * (pulled - own), rest)
    among: list[float | None] = list(_agreements(products, norms)) if count > 2 else [None] * count
    return [Likeness(*one) for one in zip(cosines, effects, among, strict=True)]


def _positive(squares: NDArray[np.float64], whole: float) -> NDArray[np.float64]:
    """The squares of what is left of a sum, 0 where it is no more than rounding beside the whole."""
    return np.where(squares > _NOTHING * whole, squares, 0.0)


def _or_none(above: NDArray[np.float64], below: NDArray[np.float64]) -> list[float | None]:
    return [None if under == 0 else over / under for over, under in zip(above.tolist(), below.tolist(), strict=True)]


def _agreements(products: Known, norms: NDArray[np.float64]) -> list[float]:
    """For each update, the median over the others of their median cosine with those that are left, without it."""
    count = len(norms)
    places = np.arange(count) if count <= LOOKED_AT else np.linspace(0, count - 1, LOOKED_AT).astype(np.intp)
    cosines = written_out(products, places) / np.outer(norms[places], norms[places])
    medians = _medians_without_one(cosines)
    found = np.full(count, np.median(np.median(_others(cosines), axis=1)) if len(places) < count else 0.0)
    found[places] = np.median(_others(medians), axis=1)
    agreements: list[float] = found.tolist()
    return agreements


def _medians_without_one(cosines: Products) -> Products:
    """``(K, K)``: at ``[k, j]`` the median of row j of the cosines without its own place and that of k; K of 3 or more.

    The median of some numbers without one of them is one of the three in the middle, or the mean of two of these:
    which, tells whether the one that is left out is below, at or above the middle.
    """
    others = _others(cosines)
    middle, odd = divmod(len(cosines) - 2, 2)
    near = [max(middle - 1, 0), middle, min(middle + 1, len(cosines) - 2)]
    below, at, above = np.partition(others, near, axis=1)[:, near].T
    when_below = above if odd else (at + above) / 2
    when_at = above if odd else (below + above) / 2
    when_above = at if odd else (below + at) / 2
    found: Products = np.where(cosines == at, when_at, np.where(cosines < at, when_below, when_above))
    return found


def _others(square: Products) -> Products:
    """``(K, K - 1)``: the rows without their own places."""
    return square[~np.eye(len(square), dtype=np.bool_)].reshape(len(square), -1)


def pulling_against(rounds: Iterable[Mapping[str, Likeness]]) -> dict[str, list[int]]:
    """By site, the places of the rounds in which it pulled against others that agreed; of sites that did so in two at
    least, and in half of the rounds in which the others agreed, also of the first half of these, and whose first
    rounds pointed away from the others' (`FIRST`).

    Where the sites' weighted updates are in balance, at the end of training, their sum is nothing, and so the site with
    most cases points against the sum of the others, whoever it is; with few cases that begins after some rounds, and
    of three sites two agree by chance. An update that is turned round points away from the start
    (``benchmarks/accused.py``).
    """
    told: dict[str, list[bool]] = {}
    first: dict[str, list[float]] = {}
    places: dict[str, list[int]] = {}
    for place, round_ in enumerate(rounds):
        for site, one in round_.items():
            if one.cosine is not None:
                first.setdefault(site, []).append(one.cosine)
            if one.agreement is None or one.agreement < AGREEING:
                continue
            told.setdefault(site, []).append(one.is_against)
            if one.is_against:
                places.setdefault(site, []).append(place)
    return {
        site: found
        for site, found in places.items()
        if len(found) > 1 and _mostly_and_early(told[site]) and np.mean(first[site][:EARLY]) <= FIRST
    }


def _mostly_and_early(told: Sequence[bool]) -> bool:
    """Whether half are true, also of the first half."""
    early = told[: (len(told) + 1) // 2]
    return 2 * sum(told) >= len(told) and 2 * sum(early) >= len(early)
