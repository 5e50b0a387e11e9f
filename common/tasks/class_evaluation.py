"""The evaluation of a classification: confusion counts and score histograms over a set of cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flwr.app import ConfigRecord

from fedgraft.common.interfaces.task import Scalar
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

    def releasable(self, min_count: int) -> ClassEvaluation | None:
        """All of it, or nothing about fewer than ``min_count`` cases."""
        return self if self.cases >= min_count else None

    def pack(self) -> ConfigRecord:
        """One number per pair of classes, and the histograms."""
        confusion = [int(n) for n in self.confusion.reshape(-1)]
        scores = pack_histograms(self.histograms)
        return ConfigRecord({"confusion": confusion, **scores, "loss-sum": float(self.loss_sum)})


def scored_classes(classes: int) -> tuple[int, ...]:
    """The classes whose scores are counted: class 1 of two classes, otherwise all."""
    return (1,) if classes == 2 else tuple(range(classes))


def _specificity(confusion: list[list[int]], c: int) -> Scalar:
    others = [row for true, row in enumerate(confusion) if true != c]
    negatives = sum(map(sum, others))
    return ratio(negatives - sum(row[c] for row in others), negatives)
