"""Classification: each case has one of two or more classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import WireError
from fedgraft.common.interfaces.task import Scalar, Scheme
from fedgraft.common.tasks.metrics import (
    Counts,
    Histograms,
    auprc,
    auroc,
    count_places,
    mean,
    merge_histograms,
    no_scores,
    places,
    ratio,
    sensitivity_at,
)
from fedgraft.common.tasks.records import counts_of, finite_of, pack_histograms, unpack_histograms
from fedgraft.common.tasks.weights import class_weights

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
COLUMNS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "balanced_accuracy": "bal. acc.",
    "sensitivity": "sens.",
    "specificity": "spec.",
}


@dataclass(frozen=True)
class ClassEvaluation:
    """Counts over one set of cases.

    Attributes:
        confusion: ``(C, C)`` int64, true class by predicted class (the most probable one).
        histograms: of the scores of the `scored_classes`.
        loss_sum: summed unweighted cross-entropy, in nats.
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
        """`FIGURES`.

        Two classes: AUROC, AUPRC, sensitivity and specificity are those of class 1. More: AUROC, AUPRC, specificity and
        the sensitivity at 90 % specificity (`fedgraft.common.tasks.metrics.sensitivity_at`) are macro means of one
        class against the rest, sensitivity the mean recall. Balanced accuracy is the mean recall. ``None`` means
        undefined: a class that the figure needs has no case. ``loss`` is the mean, in nats.
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


@dataclass(frozen=True)
class Classification:
    """Labels ``(N,)`` int64, in ``[0, C)``; outputs ``(N, C)``: a logit for each class."""

    classes: tuple[str, ...]
    headline: ClassVar[str] = "auroc"
    figures: ClassVar[tuple[str, ...]] = FIGURES
    columns: ClassVar[dict[str, str]] = COLUMNS
    loss: ClassVar[str] = "cross_entropy"
    counting: ClassVar[str] = "class counts"
    leaving: ClassVar[str] = (
        "confusion counts and score histograms (each case's score to a quarter of a percent, without saying whose; "
        "8 bytes per filled bin)"
    )

    @property
    def counts(self) -> tuple[str, ...]:
        return self.classes

    def count(self, labels: Tensor) -> tuple[int, ...]:
        """Cases by class."""
        return tuple(int(n) for n in torch.bincount(labels, minlength=len(self.classes)))

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return sum(counts) == cases

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """All of them, if every one is 0 or at least ``min_count``."""
        return None if any(0 < count < min_count for count in counts) else counts

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        return class_weights(counts, scheme, beta)

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """A class that has a case."""
        return tuple(count > 0 for count in counts)

    def some_labels(self, cases: int) -> Tensor:
        return torch.arange(cases) % len(self.classes)

    def evaluate_parts(
        self, outputs: NDArray[np.floating], labels: NDArray[np.integer], sizes: Sequence[int]
    ) -> list[ClassEvaluation]:
        classes = outputs.shape[1]
        chosen = list(scored_classes(classes))
        wide = outputs.astype(np.float64)
        log_p = wide - np.logaddexp.reduce(wide, axis=1, keepdims=True)
        pairs = labels * classes + wide.argmax(axis=1)
        losses = -log_p[np.arange(len(labels)), labels]
        others = [np.logaddexp.reduce(np.delete(log_p, c, axis=1), axis=1) for c in chosen]
        where = places(log_p[:, chosen] - np.stack(others, axis=1), labels[:, None] == chosen)
        found, start = [], 0
        for size in sizes:
            part = slice(start, start + size)
            confusion = np.bincount(pairs[part], minlength=classes**2).reshape(classes, classes)
            found.append(ClassEvaluation(confusion, count_places(where[part], len(chosen)), float(losses[part].sum())))
            start += size
        return found

    def merge(self, parts: Sequence[ClassEvaluation]) -> ClassEvaluation:
        confusion = np.sum([part.confusion for part in parts], axis=0)
        histograms = merge_histograms([part.histograms for part in parts])
        return ClassEvaluation(confusion, histograms, math.fsum(part.loss_sum for part in parts))

    def empty(self) -> ClassEvaluation:
        classes = len(self.classes)
        return ClassEvaluation(np.zeros((classes, classes), np.int64), no_scores(len(scored_classes(classes))), 0.0)

    def unpack(self, record: ConfigRecord) -> ClassEvaluation:
        classes = len(self.classes)
        chosen = list(scored_classes(classes))
        what = "confusion counts must be one whole number per pair of classes"
        confusion = counts_of(record, "confusion", classes**2, what).reshape(classes, classes)
        loss_sum = finite_of(record, "loss-sum")
        histograms = unpack_histograms(record, len(chosen))
        sides = histograms.sides
        if (sides.sum(axis=1) != confusion.sum()).any():
            raise WireError("the score histogram and the confusion counts disagree on the number of cases")
        if (sides[:, 1] != confusion.sum(axis=1)[chosen]).any():
            raise WireError("the score histogram and the confusion counts disagree on the cases of a class")
        return ClassEvaluation(confusion, histograms, loss_sum)


def scored_classes(classes: int) -> tuple[int, ...]:
    """The classes whose scores are counted: class 1 of two, or every one of more."""
    return (1,) if classes == 2 else tuple(range(classes))


def _specificity(confusion: list[list[int]], c: int) -> Scalar:
    others = [row for true, row in enumerate(confusion) if true != c]
    negatives = sum(map(sum, others))
    return ratio(negatives - sum(row[c] for row in others), negatives)
