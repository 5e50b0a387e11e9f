"""Expected calibration error, reliability diagrams and the parts of the Brier score: figures of cases in bins.

Also what they would be by chance: the calibration error of a perfectly calibrated model is not 0, and falls as cases
grow (Broecker & Smith, Weather Forecast. 2007; Vaicenavicius et al., AISTATS 2019).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.calibration.logistic import Floats, sigmoid
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.intervals import wilson

WIDTHS = 15
"""Bins of equal width in the probability, and bins of equal numbers of cases."""
DRAWS, LEVEL = 1000, 0.95
LEVELS = 1000  # to which probabilities are rounded before they are drawn from


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Cases by their predicted probability: ``p`` ``(K,)`` ascending, and of how many cases of how many it is true.

    Attributes:
        p: float64.
        cases, positives: ``(K,)`` int64.
    """

    p: Floats
    cases: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def total(self) -> int:
        return int(self.cases.sum())


@dataclass(frozen=True)
class Point:
    """A point of a reliability diagram: mean predicted probability, share of positives, its 95 % Wilson interval."""

    predicted: float
    observed: float
    low: float
    high: float
    cases: int


def forecasts(counts: ScoreCounts) -> Forecasts:
    """The cases of calibrated log odds."""
    return Forecasts(sigmoid(counts.scores), counts.negatives + counts.positives, counts.positives)


def equal_width(p: Floats) -> NDArray[np.int64]:
    """The bin of each probability, of `WIDTHS` between 0 and 1."""
    found: NDArray[np.int64] = np.minimum(np.floor(p * WIDTHS), WIDTHS - 1).astype(np.int64)
    return found


def equal_mass(cases: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bin of each of ascending probabilities, of `WIDTHS` with as equal numbers of cases as ties allow."""
    middle = (np.cumsum(cases) - cases / 2) / cases.sum()
    found: NDArray[np.int64] = np.minimum(np.floor(middle * WIDTHS), WIDTHS - 1).astype(np.int64)
    return found


def calibration_error(found: Forecasts, bins: NDArray[np.int64]) -> float:
    """The mean over cases of how far, in a case's bin, the share of positives is from the mean probability (ECE; Naeini
    et al., AAAI 2015)."""
    gap = np.bincount(bins, found.positives - found.cases * found.p)
    return float(np.abs(gap).sum() / found.total)


def error_by_chance(found: Forecasts, seed: int) -> float:
    """The bound that the `calibration_error` in bins of equal width of a perfectly calibrated model with these very
    probabilities stays below in 95 of 100 test sets: outcomes are drawn from the probabilities, 1,000 times."""
    levels, where = np.unique(np.round(found.p * LEVELS), return_inverse=True)
    cases = np.bincount(where, found.cases).astype(np.int64)
    p = np.clip(np.bincount(where, found.cases * found.p) / cases, 0, 1)
    starts = np.flatnonzero(np.diff(equal_width(p), prepend=-1))
    drawn = np.random.default_rng(seed).binomial(cases, p, size=(DRAWS, len(levels)))
    gaps = np.add.reduceat(drawn - cases * p, starts, axis=1)
    return float(np.quantile(np.abs(gaps).sum(axis=1) / found.total, LEVEL))


def reliability(found: Forecasts) -> tuple[Point, ...]:
    """The points of a reliability diagram, one for each bin of equal width that has cases."""
    bins = equal_width(found.p)
    cases, positives = np.bincount(bins, found.cases), np.bincount(bins, found.positives)
    predicted = np.bincount(bins, found.cases * found.p)
    points = []
    for place in np.flatnonzero(cases).tolist():
        number, true = int(cases[place]), int(positives[place])
        points.append(Point(float(predicted[place] / number), true / number, *wilson(true, number), number))
    return tuple(points)


def brier_parts(found: Forecasts) -> dict[str, float]:
    """The Brier score of class 1 and its parts (Murphy, J. Appl. Meteorol. 1973) over bins of equal width:
    ``brier = reliability - resolution + uncertainty + within``; ``within`` is what probabilities that differ within a
    bin add (Stephenson et al., Weather Forecast. 2008)."""
    bins, total = equal_width(found.p), found.total
    cases, positives = np.bincount(bins, found.cases), np.bincount(bins, found.positives)
    predicted = np.bincount(bins, found.cases * found.p)
    filled = cases > 0
    number, mean, share = cases[filled], predicted[filled] / cases[filled], positives[filled] / cases[filled]
    base = positives.sum() / total
    brier = (found.positives @ (1 - found.p) ** 2 + (found.cases - found.positives) @ found.p**2) / total
    parts = {
        "reliability": number @ (mean - share) ** 2 / total,
        "resolution": number @ (share - base) ** 2 / total,
        "uncertainty": base * (1 - base),
    }
    within = brier - parts["reliability"] + parts["resolution"] - parts["uncertainty"]
    return {name: float(value) for name, value in {"brier": brier, **parts, "within": within}.items()}
