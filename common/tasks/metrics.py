"""Score histograms, which can be added over sites as if their cases were pooled, and the figures computed from them.

A score is the log odds ``log(p / (1 - p))`` of one class or finding. Scores are counted in `BINS` bins of equal width
in ``asinh(score / SOFTNESS)``: about 0.23 % of the score wide, and narrow around zero, where an untrained head's scores
lie. AUROC and AUPRC are those of the binned scores (ties within a bin count half, as in the Mann-Whitney statistic).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Scalar
from fedgraft.common.merged_bins import FEW, merged, merged_few

COLUMNS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "bal. acc.",
    "sensitivity": "sens.",
    "specificity": "spec.",
}
"""Headings of the figures that classes and findings are shown by."""

BINS = 16384
SOFTNESS = 0.01
LIMIT = math.asinh(1e6 / SOFTNESS)  # scores can be in the thousands, if an unnormalised head has too high a rate

Counts = NDArray[np.int64]


Curve = list[tuple[int, int]]
"""``(negative, positive)`` cases at each score that occurs, ascending. Plain numbers, since most sites have few
cases."""


@dataclass(frozen=True)
class Histograms:
    """For each score (a class's or finding's), the histograms of negative and of positive cases.

    Only filled bins are held, so that evaluations of few cases are small.

    Attributes:
        scores: S, the number of scores per case.
        bins: ``(n,)`` int64, ascending: the filled bins, as indices into the flattened `dense`.
        counts: ``(n,)`` int64, above 0: the cases in each of these bins.
    """

    scores: int
    bins: Counts
    counts: Counts

    @property
    def dense(self) -> Counts:
        """``(S, 2, BINS)`` int64: negatives and positives of each score."""
        flat = np.zeros(self.scores * 2 * BINS, np.int64)
        flat[self.bins] = self.counts
        return flat.reshape(-1, 2, BINS)

    @property
    def sides(self) -> Counts:
        """``(S, 2)`` int64: negative and positive cases of each score."""
        weighed = np.bincount(self.bins // BINS, self.counts, minlength=self.scores * 2)
        return weighed.astype(np.int64).reshape(-1, 2)

    def curve(self, score: int) -> Curve:
        """The `Curve` of the ``score``-th score."""
        start = 2 * score * BINS
        low, middle, high = self.bins.searchsorted((start, start + BINS, start + 2 * BINS)).tolist()
        negatives = dict(zip((self.bins[low:middle] - start).tolist(), self.counts[low:middle].tolist(), strict=True))
        positives = dict(
            zip((self.bins[middle:high] - start - BINS).tolist(), self.counts[middle:high].tolist(), strict=True)
        )
        levels = sorted(negatives.keys() | positives.keys())
        return [(negatives.get(level, 0), positives.get(level, 0)) for level in levels]

    def score_counts(self) -> tuple[ScoreCounts, ...]:
        """Each score's filled bins, by their centres."""
        return tuple(self._counts_of(score) for score in range(self.scores))

    def _counts_of(self, score: int) -> ScoreCounts:
        here = self.bins // (2 * BINS) == score
        side, level = np.divmod(self.bins[here] - 2 * BINS * score, BINS)
        levels, where = np.unique(level, return_inverse=True)
        table = np.zeros((2, len(levels)), np.int64)
        table[side, where] = self.counts[here]
        return ScoreCounts(centre(levels), table[0], table[1])

    def merged(self, least: int) -> Histograms:
        """These histograms by groups of ``least`` neighbouring cases or more (`fedgraft.common.merged_bins`)."""
        if int(self.counts.sum()) <= FEW:
            return self._few_merged(least)
        each = np.repeat(self.bins, self.counts)
        side, level = np.divmod(each, BINS)
        moved = [
            start * BINS + bins
            for score in range(self.scores)
            for start, bins in enumerate(
                merged([level[side == 2 * score], level[side == 2 * score + 1]], BINS, least), 2 * score
            )
        ]
        return count_places(np.concatenate(moved), self.scores)

    def _few_merged(self, least: int) -> Histograms:
        sides: list[list[int]] = [[] for _ in range(2 * self.scores)]
        for place, count in zip(self.bins.tolist(), self.counts.tolist(), strict=True):
            side, level = divmod(place, BINS)
            sides[side] += [level] * count
        found = dict[int, int]()
        for first in range(0, len(sides), 2):
            for side, bins in enumerate(merged_few(sides[first : first + 2], BINS, least), first):
                for level in bins:
                    found[side * BINS + level] = found.get(side * BINS + level, 0) + 1
        moved = sorted(found.items())
        filled, counts = ([one[column] for one in moved] for column in (0, 1))
        return Histograms(self.scores, np.array(filled, np.int64), np.array(counts, np.int64))

    def without(self, scores: Sequence[int]) -> Histograms:
        """These histograms, with those of ``scores`` emptied."""
        kept = ~np.isin(self.bins // (2 * BINS), list(scores))
        return Histograms(self.scores, self.bins[kept], self.counts[kept])


def no_scores(scores: int) -> Histograms:
    """The histograms of no case."""
    return Histograms(scores, np.zeros(0, np.int64), np.zeros(0, np.int64))


def places(values: NDArray[np.floating], positive: NDArray[np.bool_]) -> Counts:
    """The bins of scores, as `count_places` counts them: scores and labels ``(N, S)`` -> ``(N, S)`` int64."""
    first = 2 * np.arange(values.shape[1]) + positive
    return first * BINS + _bin(values.astype(np.float64))


def count_places(places: Counts, scores: int) -> Histograms:
    """The histograms of bins given by `places`, in any shape."""
    bins, counts = np.unique(places, return_counts=True)
    return Histograms(scores, bins, counts)


def merge_histograms(parts: Sequence[Histograms]) -> Histograms:
    """The histograms of all cases of ``parts`` (at least one)."""
    bins, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("bins", "counts"))
    flat = np.zeros(parts[0].scores * 2 * BINS, np.int64)
    np.add.at(flat, bins, counts)
    (filled,) = np.nonzero(flat)
    return Histograms(parts[0].scores, filled, flat[filled])


def _bin(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    position = (np.arcsinh(scores / SOFTNESS) / LIMIT + 1) / 2 * BINS
    return np.clip(np.floor(position), 0, BINS - 1).astype(np.int64)


def centre(bins: NDArray[np.int64]) -> NDArray[np.float64]:
    """The score in the middle of each bin: the inverse of `_bin`, to half a bin's width."""
    return SOFTNESS * np.sinh(((bins + 0.5) / BINS * 2 - 1) * LIMIT)


def edges(scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The lower and the upper end of the bin of each score: where scores that were counted with it can lie."""
    bins = _bin(scores)
    low, high = (SOFTNESS * np.sinh(((bins + step) / BINS * 2 - 1) * LIMIT) for step in (0, 1))
    return low, high


def auroc(curve: Curve) -> Scalar:
    """Area under the ROC curve, in which ties count half; ``None`` without positive or without negative cases."""
    below, area = 0, 0.0
    for negatives, positives in curve:
        area += positives * (below + negatives / 2)
        below += negatives
    pairs = below * sum(positives for _, positives in curve)
    return area / pairs if pairs else None


def auprc(curve: Curve) -> Scalar:
    """Average precision; ``None`` without positive or without negative cases."""
    true = false = 0
    area = 0.0
    for negatives, positives in reversed(curve):
        true, false = true + positives, false + negatives
        area += positives * true / (true + false)
    return area / true if true and false else None


def sensitivity_at(curve: Curve, specificity: float) -> Scalar:
    """The sensitivity of the ROC curve at a specificity; ``None`` without positive or without negative cases.

    Between two thresholds the sensitivity is interpolated linearly, as for the area (Fawcett, Pattern Recognit. Lett.
    2006). If the curve is vertical at this specificity, it is the upper end.

    Args:
        specificity: above 0 and at most 1.
    """
    negatives, positives = (sum(side) for side in zip(*curve, strict=True)) if curve else (0, 0)
    if not negatives or not positives:
        return None
    allowed = round((1 - specificity) * negatives, 9)  # 1 - 0.9 is a little less than 0.1
    false = true = 0
    for more_false, more_true in reversed(curve):
        if false + more_false > allowed:
            return (true + more_true * (allowed - false) / more_false) / positives
        false, true = false + more_false, true + more_true
    return true / positives


def ratio(part: float, whole: float) -> Scalar:
    """``part / whole``; ``None`` if there is no whole."""
    return part / whole if whole else None


def mean(values: Sequence[Scalar]) -> Scalar:
    """The mean; ``None`` if there is no value, or if one is undefined."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None
