"""Scores of evaluated cases, counted in few bins that do not depend on them, and an evaluation from noisy such counts.

Each score (log odds, clipped to `REACH`) falls into one of `BINS` bins, apart by whether the case is of the class; with
more than two classes confusion counts are told besides. So a case gives 1 to a fixed number of counts, and how much a
patient can give is known. Noise makes counts negative and lets sums disagree: they are moved to the nearest counts that
can be (Hay et al., VLDB 2010): of 0 or more, and rising to one top and falling from there, as scores of one class do,
without which the noise of empty bins would be taken for cases far from their like. That costs no privacy, since it
looks at nothing but what was told.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import asinh, sqrt

import numpy as np
import scipy  # its rooms are loaded when first used
from numpy.typing import NDArray

from fedgraft.common.tasks.class_evaluation import ClassEvaluation, scored_classes
from fedgraft.common.tasks.metrics import Histograms, merge_histograms, no_scores, places

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
BINS, REACH, _SOFT = 24, 20.0, 2.0
"""Bins of equal width in ``asinh(score / 2)``: half a log odds wide around 0, where two classes are told apart and
which is an edge, and a quarter of the score far from it. Of more bins the noise would be larger, of fewer AUROC lower
by hundredths."""
_LIMIT = asinh(REACH / _SOFT)
_DRAWS = 100


@dataclass(frozen=True)
class Counted:
    """Which counts are told of cases of so many classes."""

    classes: int

    @property
    def scored(self) -> tuple[int, ...]:
        """The classes whose scores are counted."""
        return scored_classes(self.classes)

    @property
    def _in_bins(self) -> int:
        return 2 * BINS * len(self.scored)

    @property
    def _confusion(self) -> int:
        """Of two classes confusion counts follow from scores."""
        return self.classes**2 if self.classes > 2 else 0

    @property
    def size(self) -> int:
        return self._in_bins + self._confusion

    @cached_property
    def bound(self) -> float:
        """The length of a case's counts, and at most of the mean of several cases'."""
        return sqrt(len(self.scored) + (self._confusion > 0))

    def cells(self, scores: Floats, labels: Whole) -> Whole:
        """To which counts each case gives 1.

        Args:
            scores: of the scored classes, ``(N, S)`` log odds.
            labels: ``(N,)``.

        Returns:
            ``(N, S)``; with more than two classes ``(N, S + 1)``. A case's predicted class is that of the largest.
        """
        step = bin_of(scores)
        side = 2 * np.arange(len(self.scored)) + (labels[:, None] == list(self.scored))
        found: Whole = (side * BINS + step).astype(np.int64)
        if not self._confusion:
            return found
        pairs = self._in_bins + labels * self.classes + scores.argmax(axis=1)
        return np.concatenate([found, pairs[:, None]], axis=1)

    def evaluation(self, told: Floats) -> ClassEvaluation:
        """The evaluation whose counts are near noisy ones ``(size,)``. Scores are the middles of bins."""
        sides = told[: self._in_bins].reshape(-1, 2, BINS)
        if self._confusion:
            confusion = _whole(nearest(told[self._in_bins :])).reshape(self.classes, self.classes)
            of_class = confusion.sum(axis=1)
            totals = [(int(of_class.sum() - of_class[c]), int(of_class[c])) for c in self.scored]
            tables = np.array(
                [
                    [_whole(nearest(with_one_top(side), n)) for side, n in zip(*one, strict=True)]
                    for one in zip(sides, totals, strict=True)
                ]
            )
        else:
            tables = np.array([[_whole(nearest(with_one_top(side))) for side in pair] for pair in sides])
            half = BINS // 2
            confusion = np.array([[side[:half].sum(), side[half:].sum()] for side in tables[0]])
        return ClassEvaluation(confusion.astype(np.int64), _histograms(tables), self._loss(tables))

    def _loss(self, tables: Whole) -> float:
        """The cross-entropy of cases whose scores are in the middle of their bins."""
        found = (tables[:, 1] * np.logaddexp(0, -MIDDLES)).sum()
        if len(self.scored) == 1:
            found += (tables[0, 0] * np.logaddexp(0, MIDDLES)).sum()
        return float(found)

    def counts(self, evaluation: ClassEvaluation) -> Floats:
        """The counts of an evaluation that `evaluation` made, ``(size,)``."""
        found = np.zeros((len(self.scored), 2, BINS))
        for place, one in enumerate(evaluation.score_counts()):
            where = bin_of(one.scores)
            np.add.at(found[place, 0], where, one.negatives)
            np.add.at(found[place, 1], where, one.positives)
        confusion = evaluation.confusion.reshape(-1) if self._confusion else np.zeros(0)
        return np.concatenate([found.reshape(-1), confusion])

    def errors(self, evaluation: ClassEvaluation, deviation: float) -> dict[str, float]:
        """How far noise moves each figure: the root mean square over draws of new noise on these counts; no figure that
        is not defined in each.

        Args:
            deviation: of the noise on each count.
        """
        drawn, counts = np.random.default_rng(0), self.counts(evaluation)
        figures = [
            self.evaluation(counts + deviation * drawn.standard_normal(self.size)).figures() for _ in range(_DRAWS)
        ]
        moved: dict[str, float] = {}
        for name, value in evaluation.figures().items():
            drawn_values = [one[name] for one in figures if one[name] is not None]
            if value is not None and len(drawn_values) == len(figures):
                moved[name] = float(np.sqrt(np.mean((np.array(drawn_values, np.float64) - value) ** 2)))
        return moved


def bin_of(scores: Floats) -> Whole:
    """The bin of each score, of any shape."""
    place = np.floor((np.arcsinh(scores / _SOFT) / _LIMIT + 1) / 2 * BINS)
    return np.clip(place, 0, BINS - 1).astype(np.int64)


MIDDLES: Floats = _SOFT * np.sinh(((np.arange(BINS) + 0.5) / BINS * 2 - 1) * _LIMIT)
"""Of the bins, in log odds."""


def with_one_top(counts: Floats) -> Floats:
    """The nearest counts (by Euclid) that rise up to some bin and fall from there, with the same sum."""
    found, nearest_by = counts, np.inf
    for top in range(len(counts)):
        rising = scipy.optimize.isotonic_regression(counts[: top + 1]).x
        falling = (
            scipy.optimize.isotonic_regression(counts[top + 1 :], increasing=False).x
            if top + 1 < len(counts)
            else counts[:0]
        )
        tried = np.concatenate([rising, falling])
        if (by := float(((tried - counts) ** 2).sum())) < nearest_by:
            found, nearest_by = tried, by
    return found


def nearest(counts: Floats, total: float | None = None) -> Floats:
    """The nearest counts (by Euclid) of 0 or more with a given sum, or the sum that they have, if that is above 0.

    All are lowered by the same number, and cut off at 0 (Duchi et al., ICML 2008).
    """
    wanted = max(0.0, float(counts.sum())) if total is None else float(total)
    ordered = np.sort(counts)[::-1]
    lowered = (np.cumsum(ordered) - wanted) / np.arange(1, len(counts) + 1)
    last = np.flatnonzero(ordered > lowered)
    by = lowered[last[-1]] if len(last) else ordered[0]
    found: Floats = np.maximum(counts - by, 0.0)
    return found


def _whole(counts: Floats) -> Whole:
    """Whole numbers with the same sum, rounded: those with the largest rests are rounded up."""
    found = np.floor(counts).astype(np.int64)
    more = round(float(counts.sum())) - int(found.sum())
    found[np.argsort(found - counts, kind="stable")[: max(0, more)]] += 1
    return found


def _histograms(tables: Whole) -> Histograms:
    """Of cases in the middles of bins, ``(S, 2, BINS)``."""
    parts = [no_scores(len(tables))]
    for side in (False, True):
        where = places(np.tile(MIDDLES[:, None], (1, len(tables))), np.full((BINS, len(tables)), side))
        filled = tables[:, int(side)].T > 0
        bins, counts = where[filled], tables[:, int(side)].T[filled]
        order = np.argsort(bins)
        parts.append(Histograms(len(tables), bins[order], counts[order]))
    return merge_histograms(parts)
