"""Who shares masks with whom: everybody with everybody up to 50 sites, above that a random regular graph.

The graph is a ring of the sites in random order, each joined to its nearest on both sides (Bell et al. 2020, section
4): with high probability the sites that stay are connected, and each keeps enough of its neighbours.
"""

from __future__ import annotations

import math
import random
from functools import lru_cache

import scipy  # its rooms are loaded when first used

COMPLETE = 50
"""Up to so many sites everybody shares masks with everybody."""
LOST = 0.3
"""The share of sites that may be lost at any step."""
_FAILS = 1e-3  # how often a round at most fails if so many are lost at once


def threshold_of(holders: int, share: float | None) -> int:
    """How many of the ``holders`` of a secret must help to restore it: two thirds of them, or in a graph more than
    half; or the plan's ``share`` of them (above one half, so that no two groups can)."""
    return max(math.floor(holders / 2) + 1, math.ceil(holders * share - 1e-9) if share else 0)


def default_share(sites: int) -> float | None:
    """Of `threshold_of`, unless the plan names one."""
    return 2 / 3 if sites <= COMPLETE else None


@lru_cache(maxsize=256)
def degree_of(sites: int, share: float | None) -> int:
    """With how many others each site shares masks, an even number: so many that if `LOST` of the sites are lost, all
    others keep as many holders of their secrets as the threshold needs, but for one round in a thousand."""
    if sites <= COMPLETE:
        return sites - 1
    stay = math.ceil((1 - LOST) * sites) - 1
    for degree in range(2, sites - 1, 2):
        needed = threshold_of(degree + 1, share) - 1  # it holds one itself
        if sites * scipy.stats.hypergeom.cdf(needed - 1, sites - 1, stay, degree) <= _FAILS:
            return degree
    return sites - 1


def neighbours_of(sites: int, share: float | None, seed: bytes) -> list[list[int]]:
    """For each of the sites, by place from 0, the places of its neighbours, ascending.

    Args:
        seed: of the ring's order; need not be secret.
    """
    degree = degree_of(sites, share)
    if degree >= sites - 1:
        return [[other for other in range(sites) if other != place] for place in range(sites)]
    ring = list(range(sites))
    random.Random(seed).shuffle(ring)
    found: list[list[int]] = [[] for _ in range(sites)]
    for at, place in enumerate(ring):
        near = (ring[(at + step) % sites] for step in range(-degree // 2, degree // 2 + 1) if step)
        found[place] = sorted(near)
    return found
