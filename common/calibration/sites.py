"""A site's own map: a line behind the pooled map, shrunk to what all sites say.

``logit p = slope * pooled(score) + intercept`` at each site, with Gaussian priors: on ``log(slope)`` around 0, and on
the intercept around a share of the difference between the site's prevalence and the pooled one, in log odds. That share
is 1 if sites differ in how common a disease is and in nothing else (label shift; Saerens et al., Neural Comput. 2002),
and 0 if the images tell already why more cases are positive there (another mix of patients).

The share and the priors' deviations are estimated from all sites (empirical Bayes: of a grid those with the highest
marginal likelihood, by Laplace's approximation at the fit under a wide prior): a random-effects recalibration. Slopes
and intercepts are apart, since prevalences differ between hospitals far more than slopes do: one weight for both would
hold a hospital at the pooled prevalence, or let ten cases bend a slope. Sites' prevalences are shrunk in the same way
(beta-binomial), or their chance differences would explain the intercepts' chance differences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import lgamma

import numpy as np

from fedgraft.common.calibration.fit import expecting
from fedgraft.common.calibration.logistic import Floats, Prior, Weighed, log_odds, positive_line, weighed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the difference in prevalence, what moves the intercept."""
SLOPES = (0.03, 0.1, 0.2, 0.4, 0.8)
"""Deviations between sites of the logarithm of the slope."""
INTERCEPTS = (0.03, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Deviations between sites of the intercept, in log odds, besides what the prevalence explains."""
CONCENTRATIONS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10000.0)
"""Cases of the pooled prevalence that each site's own are mixed with."""
_WIDE = Prior(0.8, 4.0)
_GRID = tuple(product(SHARES, SLOPES, INTERCEPTS))


@dataclass(frozen=True, eq=False)
class Site:
    """A site's cases by the pooled map's log odds, and how far its prevalence is from the pooled one, in log odds."""

    cases: Weighed
    shift: float


@dataclass(frozen=True)
class Differences:
    """How sites differ: the prior of a site is around ``share * shift``."""

    share: float
    slope: float
    intercept: float

    def prior(self, shift: float) -> Prior:
        return Prior(self.slope, self.intercept, self.share * shift)


def site_maps(pooled: Map, sites: Mapping[str, ScoreCounts]) -> dict[str, Map]:
    """Each site's map of one class; every site has positive and negative cases, and the pooled map was fitted."""
    expected = pooled.prevalence or 0.5
    mixed = concentration([(int(each.positives.sum()), each.cases) for each in sites.values()], expected)
    known = {name: _site(pooled, counts, expected, mixed) for name, counts in sites.items()}
    differences = estimated_differences(list(known.values()))
    found = {}
    for name, site in known.items():
        line = positive_line([site.cases], differences.prior(site.shift))
        found[name] = expecting(pooled.then(line.slope, line.intercepts[0]), sites[name])
    return found


def estimated_differences(sites: Sequence[Site]) -> Differences:
    """Those of the grid under which the sites' cases are the most probable; of equals the least."""
    total = sum(_evidence(site.shift, *_likelihood(site.cases)) for site in sites)
    return Differences(*_GRID[int(np.argmax(total))])


def concentration(sites: Sequence[tuple[int, int]], expected: float) -> float:
    """Of `CONCENTRATIONS` the one under which the sites' positives, of their cases, are the most probable, if their
    prevalences have a beta distribution around the ``expected`` one; of equals the greatest."""

    def evidence(mixed: float) -> float:
        ill, well = mixed * expected, mixed * (1 - expected)
        return sum(
            lgamma(ill + positives)
            - lgamma(ill)
            + lgamma(well + cases - positives)
            - lgamma(well)
            - lgamma(mixed + cases)
            + lgamma(mixed)
            for positives, cases in sites
        )

    return max(reversed(CONCENTRATIONS), key=evidence)


def _site(pooled: Map, counts: ScoreCounts, expected: float, mixed: float) -> Site:
    whole = weighed(counts)
    share = (whole.positives.sum() + mixed * expected) / (counts.cases + mixed)
    shift = log_odds(share) - log_odds(expected)
    return Site(Weighed(pooled(whole.scores), whole.negatives, whole.positives), shift)


def _likelihood(part: Weighed) -> tuple[Floats, Floats]:
    """The log likelihood of a site's line as a quadratic ``-x' information x / 2 + pull' x``, x its ``log(slope)`` and
    intercept; also of a site whose cases a threshold separates."""
    line = positive_line([part], _WIDE)
    at = np.array([np.log(line.slope), *line.intercepts])
    return line.information, line.information @ at + at / np.square([_WIDE.slope, _WIDE.intercept])


def _evidence(shift: float, information: Floats, pull: Floats) -> Floats:
    """The logarithm of a site's marginal likelihood under each of `_GRID`, but for a constant: ``(G,)``."""
    share, *deviations = np.array(_GRID).T
    precision = 1 / np.square(np.stack(deviations, axis=1))
    centre = np.stack([np.zeros(len(_GRID)), share * shift], axis=1)
    whole, pulled = information + precision[:, :, None] * np.eye(2), pull + precision * centre
    found = (pulled * np.linalg.solve(whole, pulled[:, :, None])[:, :, 0] - precision * centre**2).sum(axis=1)
    return np.asarray((found + np.log(precision).sum(axis=1) - np.linalg.slogdet(whole)[1]) / 2, np.float64)
