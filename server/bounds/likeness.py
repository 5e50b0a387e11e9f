"""How like the others' a site's update is, and which sites are to be named for it.

A site's update points, to first order, to where the loss of its own cases falls. So the inner product of one site's
update with the others' mean says what it does to *their* cases: positive, their loss falls when it is in; negative, it
rises. It costs nothing, needs no further message, and can't be denied by what the site tells of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fedgraft.common.robust.products import Products

AGREEING = 0.2
"""The median cosine from which the other sites are said to agree."""
AGAINST = -0.4
"""A site whose cosine is below this while the others agree pulls against them."""


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


def likenesses(products: Products, weights: Sequence[int]) -> list[Likeness]:
    """How like each update is to the others.

    Args:
        products: inner products of the updates as they are used.
        weights: their weights in a mean.
    """
    norms = np.sqrt(np.maximum(np.diag(products), 0))
    if len(norms) < 2 or not norms.all():
        return [Likeness() for _ in norms]
    cosines = products / np.outer(norms, norms)
    share = np.asarray(weights, np.float64) / sum(weights)
    return [_likeness(k, products, cosines, share) for k in range(len(norms))]


def _likeness(
    k: int, products: Products, cosines: Products, share: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> Likeness:
    others = np.arange(len(share)) != k
    along = float(cosines[k, others].sum())
    length = float(np.sqrt(max(cosines[np.ix_(others, others)].sum(), 0.0)))
    pulled = share[others] @ products[others][:, others] @ share[others]
    effect = float(share[k] * (products[k, others] @ share[others]) / pulled) if pulled > 0 else None
    among = [_median_with(j, others, cosines, k) for j in np.flatnonzero(others).tolist()] if len(share) > 2 else []
    return Likeness(along / length if length > 0 else None, effect, float(np.median(among)) if among else None)


def _median_with(j: int, others: np.ndarray[tuple[int], np.dtype[np.bool_]], cosines: Products, k: int) -> float:
    """The median cosine of site j with the others, without itself and without site k."""
    rest = others.copy()
    rest[j] = False
    return float(np.median(cosines[j, rest]))


def pulling_against(rounds: Iterable[Mapping[str, Likeness]]) -> dict[str, list[int]]:
    """By site, the places of the rounds in which it pulled against others that agreed; of sites that did so in half of
    the rounds in which the others agreed, and in two at least."""
    told: dict[str, list[bool]] = {}
    places: dict[str, list[int]] = {}
    for place, round_ in enumerate(rounds):
        for site, one in round_.items():
            if one.agreement is None or one.agreement < AGREEING:
                continue
            told.setdefault(site, []).append(one.is_against)
            if one.is_against:
                places.setdefault(site, []).append(place)
    return {site: found for site, found in places.items() if len(found) >= max(2, len(told[site]) / 2)}
