"""A line whose slope is held near 1 where cases are few: a maximum a posteriori fit with a weakly informative prior.

The scores of a network that was trained with a likelihood are log odds already, but for what class weights, sampling
and logit adjustment add to them, which is a constant. So much is known without any fit, and fifty positive cases tell a
slope to a sixth only. The logarithm of the slope has a Student prior around 0, of `FREEDOM` degrees of freedom and
scale `SCALE`. Near 1 it pulls like a Gaussian; far away it lets go, since a slope of 5 is not chance but a head whose
scores are of another scale (Gelman et al., Ann. Appl. Stat. 2008, take a Cauchy prior on coefficients for the same
reason). As cases grow it vanishes.

Intercepts have no prior: the mean probability remains the share of positive cases, as splits by patient and class keep
it. How the scale was chosen: docs/calibration.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedgraft.common.calibration.logistic import Line, Weighed, likelihood, newton, positive_line

FREEDOM, SCALE = 3.0, 0.3
_STEPS, _ENOUGH = 200, 1e-10


def held_line(parts: Sequence[Weighed]) -> Line:
    """One slope above 0, held near 1, and an intercept for each of ``parts``.

    The prior is a mixture of Gaussians over their precision, so that the fit alternates between a Gaussian prior's and
    the precision that is expected at its slope (EM; Lange et al., J. Am. Stat. Assoc. 1989), from the fit without a
    prior and from slope 1; the posterior can have a maximum near each, and the higher one is taken.
    """
    free = positive_line(parts)
    known = newton(parts, np.array([0.0, *free.intercepts]), positive=True, free=False)
    return max((_climbed(parts, each) for each in (free, known)), key=lambda found: log_posterior(parts, found))


def log_posterior(parts: Sequence[Weighed], found: Line) -> float:
    """The logarithm of the likelihood times the prior's density, but for a constant."""
    return likelihood(parts, found) - (FREEDOM + 1) / 2 * float(np.log1p((np.log(found.slope) / SCALE) ** 2 / FREEDOM))


def _climbed(parts: Sequence[Weighed], found: Line) -> Line:
    for _ in range(_STEPS):
        before = float(np.log(found.slope))
        precision = (FREEDOM + 1) / (FREEDOM * SCALE**2 + before**2)
        found = newton(
            parts,
            np.array([before, *found.intercepts]),
            positive=True,
            precision=np.array([precision, *[0.0] * len(parts)]),
            centre=np.zeros(1 + len(parts)),
        )
        if abs(np.log(found.slope) - before) < _ENOUGH:
            break
    return found
