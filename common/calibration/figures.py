"""How good the probabilities of one class or finding are, from the cases' binned log odds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fedgraft.common.calibration.bins import (
    Point,
    brier_parts,
    calibration_error,
    equal_mass,
    equal_width,
    error_by_chance,
    forecasts,
    reliability,
)
from fedgraft.common.calibration.logistic import line, separates, weighed
from fedgraft.common.calibration.maps import Map
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Scalar
from fedgraft.common.tasks.intervals import quantile
from fedgraft.common.tasks.metrics import auroc

Interval = tuple[float, float] | None


@dataclass(frozen=True)
class Figures:
    """The calibration of one class over a set of cases; ``None`` = undefined.

    Attributes:
        prevalence, predicted: the share of positives, and the mean probability: calibration in the large.
        ece, adaptive_ece: expected calibration error in 15 bins of equal width, and of equal numbers of cases.
        ece_by_chance: what ``ece`` of a perfectly calibrated model with these probabilities stays below in 95 of 100
            sets of so many cases (`fedgraft.common.calibration.bins.error_by_chance`).
        slope: of a logistic regression of the truth on the log odds (Cox, Biometrika 1958), with its 95 % Wald
            interval: 1 is right, below 1 probabilities are too extreme. Undefined if a threshold separates the classes.
        intercept: the same with the slope held at 1 (Van Calster et al., J. Clin. Epidemiol. 2016): 0 is right, above 0
            probabilities are too low. Undefined without cases of both sides.
        brier: the mean squared error and its parts (`fedgraft.common.calibration.bins.brier_parts`).
        reliability: the points of the reliability diagram.
    """

    cases: int
    prevalence: float
    predicted: float
    ece: float
    ece_by_chance: float
    adaptive_ece: float
    slope: Scalar
    slope_interval: Interval
    intercept: Scalar
    intercept_interval: Interval
    brier: dict[str, float]
    auroc: Scalar
    reliability: tuple[Point, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, rounded to six digits."""
        plain: dict[str, Any] = _short(asdict(self))
        return plain


def mapped(counts: ScoreCounts, one: Map) -> ScoreCounts:
    """The cases with calibrated log odds in the place of their scores."""
    return ScoreCounts(one(counts.scores), counts.negatives, counts.positives)


def together(parts: Sequence[ScoreCounts]) -> ScoreCounts:
    """The cases of all ``parts``."""
    scores = np.concatenate([part.scores for part in parts]) if parts else np.zeros(0)
    levels, where = np.unique(scores, return_inverse=True)
    tables = []
    for side in ("negatives", "positives"):
        table = np.zeros(len(levels), np.int64)
        np.add.at(table, where, np.concatenate([getattr(part, side) for part in parts]) if parts else 0)
        tables.append(table)
    return ScoreCounts(levels, *tables)


def figures(counts: ScoreCounts, seed: int) -> Figures | None:
    """The figures of cases by (calibrated) log odds; ``None`` without cases.

    Args:
        seed: of the draws behind ``ece_by_chance``.
    """
    if not counts.cases:
        return None
    found = forecasts(counts)
    slope, slope_interval = _slope(counts)
    intercept, intercept_interval = _intercept(counts)
    curve = list(zip(counts.negatives.tolist(), counts.positives.tolist(), strict=True))
    return Figures(
        cases=found.total,
        prevalence=float(found.positives.sum() / found.total),
        predicted=float(found.cases @ found.p / found.total),
        ece=calibration_error(found, equal_width(found.p)),
        ece_by_chance=error_by_chance(found, seed),
        adaptive_ece=calibration_error(found, equal_mass(found.cases)),
        slope=slope,
        slope_interval=slope_interval,
        intercept=intercept,
        intercept_interval=intercept_interval,
        brier=brier_parts(found),
        auroc=auroc(curve),
        reliability=reliability(found),
    )


def _slope(counts: ScoreCounts) -> tuple[Scalar, Interval]:
    part = weighed(counts)
    if separates(part):
        return None, None
    fitted = line(part)
    return fitted.slope, _interval(fitted.slope, float(fitted.covariance[0, 0]))


def _intercept(counts: ScoreCounts) -> tuple[Scalar, Interval]:
    if counts.one_sided:
        return None, None
    fitted = line(weighed(counts), slope=1.0)
    return fitted.intercepts[0], _interval(fitted.intercepts[0], float(fitted.covariance[1, 1]))


def _interval(value: float, variance: float) -> tuple[float, float]:
    half = quantile(0.95) * variance**0.5
    return value - half, value + half


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _short(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    return round(value, 6) if isinstance(value, float) else value
