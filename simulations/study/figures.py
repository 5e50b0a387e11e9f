"""Statistics of a study: means and deviations over seeds, differences with confidence intervals, the worst site.

All are computed from one figure per method, seed and site; plain arithmetic, no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

Figure = float | None
Values = Mapping[str, Sequence[Mapping[str, Figure]]]
"""By method, for each seed in the same order: the figure by site; ``None`` or absent if undefined."""
LEVEL = 0.95
"""Confidence level of the intervals."""


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) of values; ``None`` if there are no values, or fewer than two."""

    mean: Figure
    sd: Figure
    values: tuple[Figure, ...]


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences and its 95 % interval by Student's t; ``None`` for fewer than two."""

    mean: Figure
    low: Figure
    high: Figure
    values: tuple[Figure, ...]


def spread(values: Sequence[Figure]) -> Spread:
    """The `Spread` of the values that are defined."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known) if known else None
    return Spread(mean, float(np.std(known, ddof=1)) if len(known) > 1 else None, tuple(values))


def difference(values: Sequence[Figure]) -> Difference:
    """The interval ``mean -+ t(0.975, n - 1) sd / sqrt(n)`` over the n values that are defined."""
    whole = spread(values)
    if whole.mean is None or whole.sd is None:
        return Difference(whole.mean, None, None, tuple(values))
    count = sum(value is not None for value in values)
    half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * whole.sd / math.sqrt(count)
    return Difference(whole.mean, whole.mean - half, whole.mean + half, tuple(values))


def by_site(values: Values, method: str, site: str) -> Spread:
    """Over seeds, of a method's figure at one site."""
    return spread([figures.get(site) for figures in values[method]])


def common_sites(values: Values) -> list[list[str]]:
    """By seed, the sites with a figure under every method, not counting methods without any figure at all.

    Means and differences over sites use only these, so that methods are compared over the same sites.
    """
    there = [some for some in values.values() if any(one is not None for seed in some for one in seed.values())]
    first = next(iter(values.values()))
    return [
        [site for site in some if there and all(method[seed].get(site) is not None for method in there)]
        for seed, some in enumerate(first)
    ]


def over_sites(values: Values, method: str) -> Spread:
    """Over seeds, of a method's mean over the seed's `common_sites`."""
    return spread([_mean(list(figures.values())) for figures in _counted(values, method)])


def worst_site(values: Values, method: str) -> tuple[str, Spread] | None:
    """The site with the lowest mean over seeds, among `common_sites`, and its spread; ``None`` if there is none."""
    counted = _counted(values, method)
    sites = {site for figures in counted for site, figure in figures.items() if figure is not None}
    found = {site: spread([figures.get(site) for figures in counted]) for site in sites}
    means = {site: one.mean for site, one in found.items() if one.mean is not None}
    if not means:
        return None
    name = min(means, key=lambda site: (means[site], site))
    return name, found[name]


def difference_at(values: Values, method: str, baseline: str, site: str) -> Difference:
    """Method minus baseline at a site, paired by seed."""
    pairs = zip(values[method], values[baseline], strict=True)
    return difference([_minus(one.get(site), other.get(site)) for one, other in pairs])


def difference_over_sites(values: Values, method: str, baseline: str) -> Difference:
    """Method minus baseline in their means over sites, paired by seed."""
    pairs = zip(over_sites(values, method).values, over_sites(values, baseline).values, strict=True)
    return difference([_minus(one, other) for one, other in pairs])


def verdict(found: Difference, heading: str) -> str:
    """A sentence on whether federation helped; ``found`` is federated minus local, in the mean over sites."""
    if found.mean is None:
        return "Whether federation helped can't be said: no site has both figures."
    if found.low is None or found.high is None:
        return (
            f"Whether federation helped can't be said from one seed: federated - local is {found.mean:+.3f} {heading} "
            "(mean over sites), without an interval; give seeds=[0,1,2]."
        )
    said = f"federated - local is {found.mean:+.3f} {heading} [{found.low:+.3f}, {found.high:+.3f}] (mean over sites)"
    if found.low > 0:
        return f"Federation helped here: {said}; the interval lies above 0."
    if found.high < 0:
        return f"Federation did not help here: {said}; the interval lies below 0, each site alone is better."
    return f"Federation did not help here: {said}; the interval contains 0."


def plain(found: Spread | Difference) -> dict[str, Any]:
    """The content for ``study.json``, rounded."""
    return {
        name: [_short(one) for one in value] if isinstance(value, tuple) else _short(value)
        for name, value in vars(found).items()
    }


def _counted(values: Values, method: str) -> list[dict[str, Figure]]:
    """By seed, the method's figures at the common sites."""
    pairs = zip(common_sites(values), values[method], strict=True)
    return [{site: figures.get(site) for site in sites} for sites, figures in pairs]


def _minus(one: Figure, other: Figure) -> Figure:
    return None if one is None or other is None else one - other


def _mean(values: Sequence[Figure]) -> Figure:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None


def _short(value: Figure) -> Figure:
    return None if value is None else round(value, 6)
