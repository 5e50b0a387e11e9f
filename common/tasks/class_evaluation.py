"""The evaluation of a classification: confusion counts and score histograms over a set of cases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import Calls, ScoreCounts
from fedgraft.common.interfaces.task import Scalar
from fedgraft.common.records import own_record
from fedgraft.common.tasks.metrics import (
    Counts,
    Histograms,
    auprc,
    auroc,
    mean,
    ratio,
    sensitivity_at,
)
from fedgraft.common.tasks.records import pack_histograms

FIGURES = (
    "auroc",
    "auprc",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "sensitivity_at_90_specificity",
    "accuracy",
    "loss",
)


@dataclass(frozen=True)
class ClassEvaluation:
    """Counts over one set of cases.

    Attributes:
        confusion: ``(C, C)`` int64: cases by true and predicted (most probable) class.
        histograms: of the scores of the `scored_classes`.
        loss_sum: sum of the unweighted cross-entropy, in nats.
    """

    confusion: Counts
    histograms: Histograms
    loss_sum: float

    @property
    def cases(self) -> int:
        return int(self.confusion.sum())

    @property
    def prevalence(self) -> Scalar:
        """Share of the rarest class among the cases; with two classes, of class 1."""
        if self.cases == 0:
            return None
        shares = self.confusion.sum(axis=1) / self.cases
        return float(shares[1] if len(shares) == 2 else shares.min())

    def figures(self) -> dict[str, Scalar]:
        """The figures in `FIGURES`; ``None`` if a class that a figure needs has no case.

        With two classes, AUROC, AUPRC, sensitivity and specificity are those of class 1. With more, AUROC, AUPRC,
        specificity and the sensitivity at 90 % specificity (`fedgraft.common.tasks.metrics.sensitivity_at`) are macro
        means of each class against the rest, and sensitivity is the mean recall. Balanced accuracy is the mean recall.
        ``loss`` is the mean cross-entropy, in nats.
        """
        confusion: list[list[int]] = self.confusion.tolist()
        chosen = scored_classes(len(confusion))
        curves = [self.histograms.curve(scored) for scored in range(len(chosen))]
        recalls = [ratio(row[c], sum(row)) for c, row in enumerate(confusion)]
        cases = sum(map(sum, confusion))
        return {
            "auroc": mean([auroc(curve) for curve in curves]),
            "auprc": mean([auprc(curve) for curve in curves]),
            "balanced_accuracy": mean(recalls),
            "sensitivity": mean([recalls[c] for c in chosen]),
            "specificity": mean([_specificity(confusion, c) for c in chosen]),
            "sensitivity_at_90_specificity": mean([sensitivity_at(curve, 0.9) for curve in curves]),
            "accuracy": ratio(sum(row[c] for c, row in enumerate(confusion)), cases),
            "loss": ratio(self.loss_sum, cases),
        }

    def details(self) -> dict[str, Any]:
        return {}

    def score_counts(self) -> tuple[ScoreCounts, ...]:
        return self.histograms.score_counts()

    def calls(self) -> tuple[Calls | None, ...]:
        """Of two classes those of class 1; of more none, since the most probable one is counted."""
        if len(self.confusion) != 2:
            return (None,) * self.histograms.scores
        (true_negatives, false_positives), (false_negatives, true_positives) = self.confusion.tolist()
        return ((true_positives, false_positives, true_negatives, false_negatives),)

    def releasable(self, min_count: int) -> ClassEvaluation | None:
        """All of it, or nothing about fewer than ``min_count`` cases."""
        return self if self.cases >= min_count else None

    def merged(self, least: int) -> ClassEvaluation:
        return replace(self, histograms=self.histograms.merged(least))

    def pack(self) -> ConfigRecord:
        """One number per pair of classes, and the histograms."""
        confusion = [int(n) for n in self.confusion.reshape(-1)]
        scores = pack_histograms(self.histograms)
        return own_record({"confusion": confusion, **scores, "loss-sum": float(self.loss_sum)})


def scored_classes(classes: int) -> tuple[int, ...]:
    """The classes whose scores are counted: class 1 of two classes, otherwise all."""
    return (1,) if classes == 2 else tuple(range(classes))


def log_probabilities(outputs: NDArray[np.floating]) -> NDArray[np.float64]:
    """The softmax of logits ``(N, C)``, as natural logarithms."""
    wide = outputs.astype(np.float64)
    log_p: NDArray[np.float64] = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
    return log_p


def one_against_rest(log_p: NDArray[np.float64]) -> NDArray[np.float64]:
    """The log odds of the `scored_classes`, each against all others: log probabilities ``(N, C)`` -> ``(N, S)``."""
    chosen = list(scored_classes(log_p.shape[1]))
    others = [np.logaddexp.reduce(np.delete(log_p, c, axis=1), axis=1) for c in chosen]
    found: NDArray[np.float64] = log_p[:, chosen] - np.stack(others, axis=1)
    return found


def class_probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities ``(N, C)`` from the log odds ``(N, S)`` of the `scored_classes`.

    With more than two classes each log odds gives the probability of its class against the rest; they are scaled to a
    sum of 1, and are returned as they are if they come from one softmax (Zadrozny & Elkan, KDD 2002, section 4).
    """
    if scores.shape[1] == 1:
        scores = np.concatenate([-scores, scores], axis=1)
    log_p = -np.logaddexp(0, -scores)
    found: NDArray[np.float64] = np.exp(log_p - np.logaddexp.reduce(log_p, axis=1, keepdims=True))
    return found


def _specificity(confusion: list[list[int]], c: int) -> Scalar:
    others = [row for true, row in enumerate(confusion) if true != c]
    negatives = sum(map(sum, others))
    return ratio(negatives - sum(row[c] for row in others), negatives)
