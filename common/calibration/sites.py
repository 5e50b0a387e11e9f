"""A site's own map: a line behind the pooled map, shrunk to the pooled map itself.

``logit p = slope * pooled(score) + intercept`` at each site, with Gaussian priors on ``log(slope)`` and the intercept
around 0: a random-effects recalibration. How much sites differ is estimated from the sites themselves (empirical Bayes:
of a grid of deviations those with the highest marginal likelihood, by Laplace's approximation at the fit under the
widest prior), apart for slopes and intercepts: prevalences differ between hospitals far more than slopes do, so that
one weight for both would hold a hospital at the pooled prevalence, or let ten cases bend a slope.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import product

import numpy as np

from fedgraft.common.calibration.fit import expecting
from fedgraft.common.calibration.logistic import Floats, Weighed, positive_line, weighed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts

SLOPES = (0.03, 0.1, 0.2, 0.4, 0.8)
"""Deviations between sites of the logarithm of the slope."""
INTERCEPTS = (0.03, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Deviations between sites of the intercept, in log odds."""
Deviations = tuple[float, float]


def site_maps(pooled: Map, sites: Mapping[str, ScoreCounts]) -> dict[str, Map]:
    """Each site's map of one class; every site has positive and negative cases."""
    parts = {name: _behind(pooled, counts) for name, counts in sites.items()}
    deviations = estimated_deviations(parts.values())
    found = {}
    for name, part in parts.items():
        line = positive_line([part], deviations)
        found[name] = expecting(pooled.then(line.slope, line.intercepts[0]), sites[name])
    return found


def estimated_deviations(parts: Collection[Weighed]) -> Deviations:
    """The pair of `SLOPES` and `INTERCEPTS` under which the sites' cases are the most probable; of equals the least."""
    likelihoods = [_likelihood(part) for part in parts]
    return max(product(SLOPES, INTERCEPTS), key=lambda pair: sum(_evidence(*one, pair) for one in likelihoods))


def _likelihood(part: Weighed) -> tuple[Floats, Floats]:
    """The log likelihood of a site's line as a quadratic ``-x' information x / 2 + pull' x``, x its ``log(slope)`` and
    intercept; also of a site whose cases a threshold separates."""
    widest = (SLOPES[-1], INTERCEPTS[-1])
    line = positive_line([part], widest)
    at = np.array([np.log(line.slope), *line.intercepts])
    return line.information, line.information @ at + at / np.square(widest)


def _evidence(information: Floats, pull: Floats, deviations: Deviations) -> float:
    """The logarithm of the marginal likelihood, but for a constant."""
    precision = 1 / np.square(deviations)
    whole = information + np.diag(precision)
    found = pull @ np.linalg.solve(whole, pull) + np.log(precision).sum() - np.log(np.linalg.det(whole))
    return float(found) / 2


def _behind(pooled: Map, counts: ScoreCounts) -> Weighed:
    whole = weighed(counts)
    return Weighed(pooled(whole.scores), whole.negatives, whole.positives)
