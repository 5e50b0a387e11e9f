"""Statistics of a study: means and deviations over seeds, differences with confidence intervals, the worst site.

All are computed from one figure per method, seed and site; plain arithmetic, no files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its rooms are loaded when first used

Figure = float | None
Values = Mapping[str, Sequence[Mapping[str, Figure]]]
"""By method, for each seed in the same order: the figure by site; ``None`` or absent if undefined."""
LEVEL = 0.95
"""Confidence level of the intervals."""
_NOTHING = 1e-9
"""A deviation below this is rounding."""


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (n - 1) of values; ``None`` if there are no values, or fewer than two."""

    mean: Figure
    sd: Figure
    values: tuple[Figure, ...]


@dataclass(frozen=True)
class Difference:
    """The mean of paired differences and its 95 % interval; ``None`` for fewer than two.

    Attributes:
        cases_deviation: how far the mean may be off because of the choice of test cases, as a standard deviation;
            ``None`` if it is unknown, and not in the interval.
        same: whether the difference is the same with every seed and, if ``cases_deviation`` is known, every resample of
            the test cases (two models that rank all cases alike, for instance all right). Then nothing says how sure it
            is, and there is no interval: one of width 0 would be a false certainty.
        p: of no difference, two-sided, by the same variance and degrees of freedom; ``None`` without an interval.
    """

    mean: Figure
    low: Figure
    high: Figure
    values: tuple[Figure, ...]
    cases_deviation: Figure = None
    same: bool = False
    p: Figure = None


def spread(values: Sequence[Figure]) -> Spread:
    """The `Spread` of the values that are defined."""
    known = [value for value in values if value is not None]
    mean = math.fsum(known) / len(known) if known else None
    return Spread(mean, float(np.std(known, ddof=1)) if len(known) > 1 else None, tuple(values))


def difference(values: Sequence[Figure], variances: Sequence[Figure] = (), shared: float = 1.0) -> Difference:
    """The mean over the n values (by seed) that are defined, and an interval that holds seeds and test cases.

    Args:
        variances: of each value, over samples of test cases; none, or an unknown one, for seeds alone.
        shared: the part of the test cases that two seeds have in common, from 0 to 1. Between seeds that part does not
            vary, and so its variance is added; of the rest, what is between seeds is already in their deviation.
    """
    whole, known = spread(values), [place for place, value in enumerate(values) if value is not None]
    if whole.mean is None or whole.sd is None:
        return Difference(whole.mean, None, None, tuple(values))
    each = [variances[place] for place in known] if variances else [None]
    sure = [variance for variance in each if variance is not None]
    cases = math.sqrt(math.fsum(sure) / len(sure)) if len(sure) == len(each) else None
    variance, freedom = _uncertainty([value for value in values if value is not None], cases, shared, len(known))
    if math.sqrt(variance) < _NOTHING:
        return Difference(whole.mean, None, None, tuple(values), cases, same=True)
    half = _half(variance, freedom)
    p = 2 * float(scipy.special.stdtr(freedom, -abs(whole.mean) / math.sqrt(variance)))
    return Difference(whole.mean, whole.mean - half, whole.mean + half, tuple(values), cases, p=p)


def half_width(values: Sequence[float], cases: Figure, shared: float, seeds: int) -> float:
    """Half the interval of a mean over ``seeds`` values that vary as ``values`` do; ``cases`` is the deviation over
    samples of test cases, ``None`` if unknown. It is that of `_uncertainty`."""
    return _half(*_uncertainty(values, cases, shared, seeds))


def _half(variance: float, freedom: float) -> float:
    return float(scipy.special.stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(variance)


def _uncertainty(values: Sequence[float], cases: Figure, shared: float, seeds: int) -> tuple[float, float]:
    """The variance of a mean as of `half_width`, and its degrees of freedom.

    With the variance ``s^2`` of the values and ``c^2`` of the test cases, that of the mean is ``shared c^2 + max(s^2,
    (1 - shared) c^2) / n``: by chance seeds may differ less than their test cases make them. Degrees of freedom:
    Satterthwaite (Biometrics Bulletin 1946), ``n - 1`` for what is estimated from the seeds.
    """
    between, sampled = float(np.var(values, ddof=1)), 0.0 if cases is None else cases**2
    by_seed = max(between, (1 - shared) * sampled) / seeds
    variance = shared * sampled + by_seed
    estimated = by_seed if between >= (1 - shared) * sampled else 0.0
    freedom = (seeds - 1) * (variance / estimated) ** 2 if estimated > 0 else math.inf
    return variance, min(freedom, 1e9)


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


def minus_at(values: Values, method: str, baseline: str, site: str) -> list[Figure]:
    """Method minus baseline at a site, by seed."""
    pairs = zip(values[method], values[baseline], strict=True)
    return [_minus(one.get(site), other.get(site)) for one, other in pairs]


def minus_over_sites(values: Values, method: str, baseline: str) -> list[Figure]:
    """Method minus baseline in their means over sites, by seed."""
    pairs = zip(over_sites(values, method).values, over_sites(values, baseline).values, strict=True)
    return [_minus(one, other) for one, other in pairs]


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
    return value if value is None or isinstance(value, bool) else round(value, 6)
