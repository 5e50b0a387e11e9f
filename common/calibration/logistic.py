"""Fit a slope and intercepts to binned scores: ``logit p = slope * score + intercept``, by maximum likelihood.

Newton's method over filled bins, with step halving. Several classes can share a slope. A Gaussian prior on the
logarithm of the slope and on the intercepts makes it a maximum a posteriori fit; so does a Student prior on the
logarithm of the slope (`fedgraft.common.calibration.held`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import ScoreCounts

Floats = NDArray[np.float64]
STEPS, TOLERANCE = 200, 1e-10
LEAST, MOST = -12.0, 12.0  # of the logarithm of a slope of standardised scores


@dataclass(frozen=True, eq=False)
class Weighed:
    """Scores ``(K,)`` with the weights of negative and of positive cases at each, which need not be whole numbers."""

    scores: Floats
    negatives: Floats
    positives: Floats

    @property
    def share(self) -> float:
        """The share of positives."""
        return float(self.positives.sum() / (self.positives.sum() + self.negatives.sum()))


@dataclass(frozen=True)
class Prior:
    """A Gaussian prior: deviations of the slope's logarithm, around 0, and of the intercepts, around ``at``."""

    slope: float
    intercept: float
    at: float = 0.0


@dataclass(frozen=True, eq=False)
class Line:
    """A fitted slope, one intercept for each class, and how certain they are.

    Attributes:
        information: ``(1 + S, 1 + S)``: the Fisher information of the cases on the slope (on its logarithm after
            `positive_line`) and the intercepts.
    """

    slope: float
    intercepts: tuple[float, ...]
    information: Floats

    @property
    def covariance(self) -> Floats:
        """The variances without a prior."""
        return np.asarray(np.linalg.pinv(self.information, hermitian=True), np.float64)


def weighed(counts: ScoreCounts) -> Weighed:
    """Every case weighs 1."""
    return Weighed(counts.scores, counts.negatives.astype(np.float64), counts.positives.astype(np.float64))


def smoothed(counts: ScoreCounts) -> Weighed:
    """Targets as in Platt (Advances in Large Margin Classifiers 1999, section 2.2): a positive case counts as
    ``(P + 1) / (P + 2)`` of one, a negative as ``1 / (N + 2)``.

    Chosen against scores that separate the classes, for which there is no best slope: it is the same at every scale of
    the scores, moves the sum of positives by less than one case, and vanishes as cases grow.
    """
    negatives, positives = counts.negatives.astype(np.float64), counts.positives.astype(np.float64)
    high, low = (positives.sum() + 1) / (positives.sum() + 2), 1 / (negatives.sum() + 2)
    return Weighed(
        counts.scores,
        negatives * (1 - low) + positives * (1 - high),
        negatives * low + positives * high,
    )


def line(part: Weighed, slope: float | None = None) -> Line:
    """Slope (of any sign) and intercept by maximum likelihood; with a given ``slope``, the intercept only.

    The caller sees to it that both exist (`separates`).
    """
    start = np.array([0.0 if slope is None else slope, log_odds(part.share)])
    return newton([part], start, positive=False, free=slope is None)


def positive_line(parts: Sequence[Weighed], prior: Prior | None = None) -> Line:
    """One slope above 0 and an intercept for each of ``parts``.

    Where a higher score does not mean a higher probability, the slope is as good as 0, and the order of cases remains.

    Args:
        prior: for scores that are log odds; ``None`` for scores of any scale.
    """
    if prior is None:
        scale = _spread(parts)
        scaled = [Weighed(part.scores / scale, part.negatives, part.positives) for part in parts]
        begin = np.array([0.0, *(log_odds(part.share) for part in parts)])
        found = newton(scaled, begin, positive=True)
        return Line(found.slope / scale, found.intercepts, found.information)
    centre = np.array([0.0, *[prior.at] * len(parts)])
    precision = 1 / np.square([prior.slope, *[prior.intercept] * len(parts)])
    return newton(parts, centre, positive=True, precision=precision)


def separates(part: Weighed) -> bool:
    """Whether a threshold parts negatives from positives (Albert & Anderson, Biometrika 1984): no slope is best then.
    Also if all cases are of one side, or have the same score."""
    negative, positive = part.scores[part.negatives > 0], part.scores[part.positives > 0]
    if not len(negative) or not len(positive):
        return True
    return bool(negative.max() <= positive.min() or positive.max() <= negative.min())


def sigmoid(log_odds: Floats) -> Floats:
    """Probabilities; exact far out, too."""
    return np.exp(-np.logaddexp(0, -log_odds))


def newton(
    parts: Sequence[Weighed],
    start: Floats,
    *,
    positive: bool,
    free: bool = True,
    precision: Floats | None = None,
    centre: Floats | None = None,
) -> Line:
    """Fisher scoring from ``start``: the slope, or its logarithm if ``positive``, then the intercepts.

    Args:
        free: whether the slope is fitted.
        precision: of a Gaussian prior on each, 0 for none; ``None`` for none at all.
        centre: its mean; ``None`` for ``start``.
    """
    centre = start if centre is None else centre
    precision = np.zeros(len(start)) if precision is None else precision
    at, value = start, _value(parts, start, positive, centre, precision)
    for _ in range(STEPS):
        gradient, information = _derivatives(parts, at, positive, centre, precision)
        if not free:
            gradient[0], information[0, :], information[:, 0] = 0.0, 0.0, 0.0
        step = np.linalg.pinv(information, hermitian=True) @ gradient
        size, better, moved = 1.0, value, at
        while size > 1e-9:
            moved = at + size * step
            if positive:
                moved[0] = np.clip(moved[0], LEAST, MOST)
            better = _value(parts, moved, positive, centre, precision)
            if better >= value:
                break
            size /= 2
        gain = better - value
        if gain >= 0:
            at, value = moved, better
        if gain < TOLERANCE:
            break
    _, information = _derivatives(parts, at, positive, centre, precision)
    if not free:
        information[0, :], information[:, 0] = 0.0, 0.0
    slope = np.exp(at[0]) if positive else at[0]
    return Line(float(slope), tuple(at[1:].tolist()), information - np.diag(precision))


def _value(parts: Sequence[Weighed], at: Floats, positive: bool, centre: Floats, precision: Floats) -> float:
    """The log likelihood, and the logarithm of the prior's density but for its constant."""
    slope, total = np.exp(at[0]) if positive else at[0], -0.5 * float(precision @ (at - centre) ** 2)
    for part, intercept in zip(parts, at[1:], strict=True):
        odds = slope * part.scores + intercept
        total -= float(part.positives @ np.logaddexp(0, -odds) + part.negatives @ np.logaddexp(0, odds))
    return total


def _derivatives(
    parts: Sequence[Weighed], at: Floats, positive: bool, centre: Floats, precision: Floats
) -> tuple[Floats, Floats]:
    """The gradient of `_value`, and the Fisher information."""
    slope = np.exp(at[0]) if positive else at[0]
    gradient, information = -precision * (at - centre), np.diag(precision)
    for place, part in enumerate(parts, 1):
        p = sigmoid(slope * part.scores + at[place])
        pull = part.positives - (part.positives + part.negatives) * p
        weight = (part.positives + part.negatives) * p * (1 - p)
        by_slope = part.scores * (slope if positive else 1.0)
        gradient[0] += by_slope @ pull
        gradient[place] += pull.sum()
        information[0, 0] += weight @ by_slope**2
        information[0, place] = information[place, 0] = weight @ by_slope
        information[place, place] += weight.sum()
    return gradient, information


def likelihood(parts: Sequence[Weighed], found: Line) -> float:
    """The log likelihood of a line."""
    at = np.array([found.slope, *found.intercepts])
    return _value(parts, at, False, at, np.zeros(len(at)))


def _spread(parts: Sequence[Weighed]) -> float:
    """The standard deviation of the scores within classes; 1 if all are the same."""
    squares = cases = 0.0
    for part in parts:
        weights = part.negatives + part.positives
        mean = np.average(part.scores, weights=weights)
        squares += float(weights @ (part.scores - mean) ** 2)
        cases += float(weights.sum())
    return float(np.sqrt(squares / cases)) or 1.0


def log_odds(share: float) -> float:
    """The log odds of a share, which is moved away from 0 and 1."""
    inside = min(max(share, 1e-9), 1 - 1e-9)
    return float(np.log(inside / (1 - inside)))
