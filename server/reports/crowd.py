"""Many hospitals in a table or on a page: the ten weakest, quantiles, and where the whole list is."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from fedgraft.server.evidence.listed import MOST, WEAKEST

SHARES = {
    "the lowest": 0.0,
    "a tenth is below": 0.1,
    "half are below": 0.5,
    "nine tenths are below": 0.9,
    "the top": 1.0,
}


def weakest(sites: Mapping[str, Mapping[str, Any]], headline: str, doubtful: Collection[str] = ()) -> list[str]:
    """The sites that are listed: all in their order, or of more than `MOST` the weakest, the lowest figure first.

    Args:
        sites: figures by site.
        headline: the figure by which they are compared; those that do not have it are never the weakest.
        doubtful: sites with too few cases to say; they count only if there are not enough others.
    """
    if len(sites) <= MOST:
        return list(sites)
    known = [name for name, one in sites.items() if one[headline] is not None]
    ordered = sorted(known, key=lambda name: (name in doubtful, sites[name][headline], name))
    return sorted(ordered[:WEAKEST], key=lambda name: (sites[name][headline], name))


def quantiles(values: Iterable[float | None], shares: Sequence[float] = tuple(SHARES.values())) -> list[float | None]:
    """Quantiles of the values that are known, by linear interpolation; ``None`` each if none is."""
    known = [value for value in values if value is not None]
    return [None] * len(shares) if not known else [float(one) for one in np.quantile(known, shares)]
