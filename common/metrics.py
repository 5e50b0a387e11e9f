"""Mergeable evaluation: counts and score histograms, so that merging sites equals pooling their cases.

A case's score for class ``c`` is the log odds ``log(p_c / (1 - p_c))``. Scores are counted in `BINS` bins of equal
width in ``asinh(score / SOFTNESS)``: about 0.23 % wide relative to the score, and fine around zero where an untrained
head's scores lie. AUROC and AUPRC are those of the binned scores (ties within a bin count half, as in the
Mann-Whitney statistic).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 16384
SOFTNESS = 0.01
LIMIT = math.asinh(1e6 / SOFTNESS)  # an unnormalised head trained at too high a rate gives scores in the thousands

Counts = NDArray[np.int64]
Scalar = float | None
Curve = list[tuple[int, int]]
"""Negative and positive cases at each score that occurs, ascending. Plain numbers: most sites have a few cases."""


@dataclass(frozen=True)
class Evaluation:
    """Counts over one set of cases.

    Only filled bins are held: an evaluation of six cases is small, and a thousand sites have thousands of them.

    Attributes:
        confusion: ``(C, C)`` int64, true class by predicted class (the most probable one).
        bins: ``(n,)`` int64, ascending: the filled bins, as places in the flattened `histograms`.
        counts: ``(n,)`` int64, above 0: the cases in each.
        loss_sum: summed unweighted cross-entropy, in nats.
    """

    confusion: Counts
    bins: Counts
    counts: Counts
    loss_sum: float

    @property
    def cases(self) -> int:
        return int(self.confusion.sum())

    @property
    def histograms(self) -> Counts:
        """``(S, 2, BINS)`` int64: for each of the `scored_classes`, scores of the cases that are not of it, and of
        those that are."""
        flat = np.zeros(bins_of(len(self.confusion)), np.int64)
        flat[self.bins] = self.counts
        return flat.reshape(-1, 2, BINS)

    def __add__(self, other: Evaluation) -> Evaluation:
        return merge((self, other))

    def curve(self, scored: int) -> Curve:
        """Cases by score of the ``scored``-th of the scored classes."""
        start = 2 * scored * BINS
        low, middle, high = np.searchsorted(self.bins, (start, start + BINS, start + 2 * BINS)).tolist()
        negatives = dict(zip((self.bins[low:middle] - start).tolist(), self.counts[low:middle].tolist(), strict=True))
        positives = dict(
            zip((self.bins[middle:high] - start - BINS).tolist(), self.counts[middle:high].tolist(), strict=True)
        )
        levels = sorted(negatives.keys() | positives.keys())
        return [(negatives.get(level, 0), positives.get(level, 0)) for level in levels]


def scored_classes(classes: int) -> tuple[int, ...]:
    """The classes whose scores are counted: class 1 of two, or every one of more."""
    return (1,) if classes == 2 else tuple(range(classes))


def bins_of(classes: int) -> int:
    """The number of bins, filled or not, of an evaluation over ``classes``."""
    return len(scored_classes(classes)) * 2 * BINS


def empty(classes: int) -> Evaluation:
    """The evaluation of no case."""
    nothing = np.zeros(0, np.int64)
    return Evaluation(np.zeros((classes, classes), np.int64), nothing, nothing, 0.0)


def merge(parts: Sequence[Evaluation]) -> Evaluation:
    """The evaluation of all cases of ``parts`` (at least one)."""
    confusion = np.sum([part.confusion for part in parts], axis=0)
    bins, counts = (np.concatenate([getattr(part, name) for part in parts]) for name in ("bins", "counts"))
    flat = np.zeros(bins_of(len(confusion)), np.int64)
    np.add.at(flat, bins, counts)
    (filled,) = np.nonzero(flat)
    return Evaluation(confusion, filled, flat[filled], math.fsum(part.loss_sum for part in parts))


def evaluate(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> Evaluation:
    """Count.

    Args:
        logits: ``(N, C)`` floating point.
        labels: ``(N,)`` integer, in ``[0, C)``.
    """
    (whole,) = evaluate_parts(logits, labels, [len(labels)])
    return whole


def evaluate_parts(logits: NDArray[np.floating], labels: NDArray[np.integer], sizes: Sequence[int]) -> list[Evaluation]:
    """`evaluate` of consecutive parts, scored at once: what many small sites cost is the counting alone.

    Args:
        sizes: of the parts; their sum is N.
    """
    classes = logits.shape[1]
    wide = logits.astype(np.float64)
    log_p = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    pairs = labels * classes + wide.argmax(axis=1)
    losses = -log_p[np.arange(len(labels)), labels]
    places = np.empty((len(labels), len(scored_classes(classes))), np.int64)
    for scored, c in enumerate(scored_classes(classes)):
        others = np.logaddexp.reduce(np.delete(log_p, c, axis=1), axis=1)
        places[:, scored] = (2 * scored + (labels == c)) * BINS + _bin(log_p[:, c] - others)
    found, start = [], 0
    for size in sizes:
        part = slice(start, start + size)
        bins, counts = np.unique(places[part], return_counts=True)
        confusion = np.bincount(pairs[part], minlength=classes**2).reshape(classes, classes)
        found.append(Evaluation(confusion, bins, counts, float(losses[part].sum())))
        start += size
    return found


def _bin(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    position = (np.arcsinh(scores / SOFTNESS) / LIMIT + 1) / 2 * BINS
    return np.clip(np.floor(position), 0, BINS - 1).astype(np.int64)


def auroc(curve: Curve) -> Scalar:
    """Area under the ROC curve; ``None`` if either side has no case. A tie counts half."""
    below, area = 0, 0.0
    for negatives, positives in curve:
        area += positives * (below + negatives / 2)
        below += negatives
    pairs = below * sum(positives for _, positives in curve)
    return area / pairs if pairs else None


def auprc(curve: Curve) -> Scalar:
    """Average precision; ``None`` if either side has no case."""
    true = false = 0
    area = 0.0
    for negatives, positives in reversed(curve):
        true, false = true + positives, false + negatives
        area += positives * true / (true + false)
    return area / true if true and false else None


def summarise(evaluation: Evaluation) -> dict[str, Scalar]:
    """The figures of one evaluation.

    Two classes: AUROC, AUPRC, sensitivity and specificity are those of class 1. More: AUROC, AUPRC and specificity are
    macro means of one class against the rest, sensitivity the mean recall. Balanced accuracy is the mean recall.
    ``None`` means undefined: a class that the figure needs has no case.

    Returns:
        ``auroc``, ``auprc``, ``balanced_accuracy``, ``sensitivity``, ``specificity``, ``loss`` (mean, nats).
    """
    confusion: list[list[int]] = evaluation.confusion.tolist()
    chosen = scored_classes(len(confusion))
    curves = [evaluation.curve(scored) for scored in range(len(chosen))]
    recalls = [_ratio(row[c], sum(row)) for c, row in enumerate(confusion)]
    cases = sum(map(sum, confusion))
    return {
        "auroc": _mean([auroc(curve) for curve in curves]),
        "auprc": _mean([auprc(curve) for curve in curves]),
        "balanced_accuracy": _mean(recalls),
        "sensitivity": _mean([recalls[c] for c in chosen]),
        "specificity": _mean([_specificity(confusion, c) for c in chosen]),
        "loss": evaluation.loss_sum / cases if cases else None,
    }


FIGURES = ("auroc", "auprc", "balanced_accuracy", "sensitivity", "specificity", "loss")


def prevalence(evaluation: Evaluation) -> Scalar:
    """Share of the rarest class among the cases; with two classes, of class 1."""
    if evaluation.cases == 0:
        return None
    shares = evaluation.confusion.sum(axis=1) / evaluation.cases
    return float(shares[1] if len(shares) == 2 else shares.min())


def _specificity(confusion: list[list[int]], c: int) -> Scalar:
    others = [row for true, row in enumerate(confusion) if true != c]
    negatives = sum(map(sum, others))
    return _ratio(negatives - sum(row[c] for row in others), negatives)


def _ratio(part: int, whole: int) -> Scalar:
    return part / whole if whole else None


def _mean(values: list[Scalar]) -> Scalar:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None
