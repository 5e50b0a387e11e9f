"""Multi-label: each finding is there, is not, or is unknown, for each case by itself.

An unknown label counts nowhere: not in a figure, not in the loss, not in a count.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from fedgraft.common.tasks.records import counts_of, pack_histograms, unpack_histograms
from fedgraft.common.tasks.weights import finding_weights
from fedgraft.common.wire.values import count_of

FIGURES = (
    "auroc",
    "auprc",
    "balanced_accuracy",
    "sensitivity",
    "specificity",
    "sensitivity_at_90_specificity",
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
class FindingEvaluation:
    """Counts over one set of cases, by finding.

    Attributes:
        findings: their C names.
        cases: all of them, whatever is known of them.
        confusion: ``(C, 2, 2)`` int64: true by predicted side of each finding, at p = 0.5.
        histograms: of each finding's scores.
        loss_sums: ``(C,)`` float64: summed unweighted binary cross-entropy over the known labels, in nats.
    """

    findings: tuple[str, ...]
    cases: int
    confusion: Counts
    histograms: Histograms
    loss_sums: NDArray[np.float64]

    @property
    def known(self) -> Counts:
        """``(C,)`` int64: the cases of which the finding is known."""
        total: Counts = self.confusion.sum(axis=(1, 2))
        return total

    @property
    def prevalence(self) -> Scalar:
        """Mean over the findings of which something is known: the share of cases that have it."""
        shares = [ratio(int(table[1].sum()), int(table.sum())) for table in self.confusion]
        return mean([share for share in shares if share is not None])

    def figures(self) -> dict[str, Scalar]:
        """Macro means over the findings of which both sides have a case; `details` names the others. ``loss``: mean
        over all known labels, in nats."""
        whole = [finding for finding in self._by_finding().values() if finding["auroc"] is not None]
        macro = {name: mean([finding[name] for finding in whole]) for name in FIGURES if name != "loss"}
        return {**macro, "loss": ratio(float(self.loss_sums.sum()), int(self.known.sum()))}

    def details(self) -> dict[str, Any]:
        """``findings.<name>.<figure>``, with ``cases`` (of which it is known) and ``prevalence``; ``undefined``: the
        findings that are not in the macro means, as they lack cases of one side."""
        by_finding = self._by_finding()
        undefined = [name for name, finding in by_finding.items() if finding["auroc"] is None]
        return {"findings": by_finding, "undefined": undefined}

    def releasable(self, min_count: int) -> FindingEvaluation | None:
        """Nothing of fewer than ``min_count`` cases; nothing of a finding that is known of fewer."""
        few = [place for place, known in enumerate(self.known.tolist()) if known < min_count]
        if self.cases < min_count or len(few) == len(self.findings):
            return None
        confusion, loss_sums = self.confusion.copy(), self.loss_sums.copy()
        confusion[few], loss_sums[few] = 0, 0.0
        return replace(self, confusion=confusion, histograms=self.histograms.without(few), loss_sums=loss_sums)

    def pack(self) -> ConfigRecord:
        """Five numbers per finding, and the histograms."""
        return ConfigRecord(
            {
                "cases": self.cases,
                "confusion": [int(n) for n in self.confusion.reshape(-1)],
                **pack_histograms(self.histograms),
                "loss-sums": [float(loss) for loss in self.loss_sums],
            }
        )

    def _by_finding(self) -> dict[str, dict[str, Any]]:
        return {name: self._figures(place) for place, name in enumerate(self.findings)}

    def _figures(self, place: int) -> dict[str, Any]:
        (true_negative, false_positive), (false_negative, true_positive) = self.confusion[place].tolist()
        known = int(self.known[place])
        curve = self.histograms.curve(place)
        sensitivity = ratio(true_positive, true_positive + false_negative)
        specificity = ratio(true_negative, true_negative + false_positive)
        return {
            "auroc": auroc(curve),
            "auprc": auprc(curve),
            "balanced_accuracy": mean([sensitivity, specificity]),
            "sensitivity": sensitivity,
            "specificity": specificity,
            "sensitivity_at_90_specificity": sensitivity_at(curve, 0.9),
            "loss": ratio(float(self.loss_sums[place]), known),
            "cases": known,
            "prevalence": ratio(true_positive + false_negative, known),
        }


@dataclass(frozen=True)
class Multilabel:
    """Labels ``(N, C)`` float32: 0, 1, or NaN for unknown; outputs ``(N, C)``: the log odds of each finding."""

    findings: tuple[str, ...]
    headline: ClassVar[str] = "auroc"
    figures: ClassVar[tuple[str, ...]] = FIGURES
    columns: ClassVar[dict[str, str]] = COLUMNS
    loss: ClassVar[str] = "binary_cross_entropy"
    counting: ClassVar[str] = "counts of each finding's known negatives and positives"
    leaving: ClassVar[str] = (
        "for each finding confusion counts and score histograms (each case's score to a quarter of a percent, without "
        "saying whose; 8 bytes per filled bin)"
    )

    @property
    def counts(self) -> tuple[str, ...]:
        """Of each finding in turn, the cases known not to have it, and those known to have it."""
        return tuple(f"{name} {side}" for name in self.findings for side in ("absent", "present"))

    def count(self, labels: Tensor) -> tuple[int, ...]:
        by_side = torch.stack([(labels == side).sum(dim=0) for side in (0, 1)], dim=1)
        return tuple(int(n) for n in by_side.reshape(-1))

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return all(absent + present <= cases for absent, present in zip(counts[::2], counts[1::2], strict=True))

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """A finding's two counts become 0, as if nothing were known, if one of them lies between 0 and ``min_count``:
        of many findings some are rare everywhere. ``None`` if nothing is left."""
        pairs = zip(counts[::2], counts[1::2], strict=True)
        kept = [(0, 0) if any(0 < count < min_count for count in pair) else pair for pair in pairs]
        return tuple(count for pair in kept for count in pair) if any(map(any, kept)) else None

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        return finding_weights(counts, scheme, beta)

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """A finding of which both sides have a case: of one alone only a bias is learnt."""
        return tuple(absent > 0 and present > 0 for absent, present in zip(counts[::2], counts[1::2], strict=True))

    def some_labels(self, cases: int) -> Tensor:
        return ((torch.arange(cases)[:, None] + torch.arange(len(self.findings))) % 2).float()

    def evaluate_parts(
        self, outputs: NDArray[np.floating], labels: NDArray[np.floating], sizes: Sequence[int]
    ) -> list[FindingEvaluation]:
        scores, known, positive = outputs.astype(np.float64), ~np.isnan(labels), labels == 1
        number = len(self.findings)
        losses = np.where(known, np.logaddexp(0, scores) - positive * scores, 0.0)
        where = places(scores, positive)
        cells = 4 * np.arange(number) + 2 * positive + (scores > 0)
        found, start = [], 0
        for size in sizes:
            part = slice(start, start + size)
            told = known[part]
            confusion = np.bincount(cells[part][told], minlength=4 * number).reshape(number, 2, 2)
            histograms = count_places(where[part][told], number)
            found.append(FindingEvaluation(self.findings, size, confusion, histograms, losses[part].sum(axis=0)))
            start += size
        return found

    def merge(self, parts: Sequence[FindingEvaluation]) -> FindingEvaluation:
        return FindingEvaluation(
            self.findings,
            sum(part.cases for part in parts),
            np.sum([part.confusion for part in parts], axis=0),
            merge_histograms([part.histograms for part in parts]),
            np.sum([part.loss_sums for part in parts], axis=0),
        )

    def empty(self) -> FindingEvaluation:
        number = len(self.findings)
        return FindingEvaluation(
            self.findings, 0, np.zeros((number, 2, 2), np.int64), no_scores(number), np.zeros(number)
        )

    def unpack(self, record: ConfigRecord) -> FindingEvaluation:
        number = len(self.findings)
        cases = count_of(record, "cases")
        what = "confusion counts must be four whole numbers per finding"
        confusion = counts_of(record, "confusion", 4 * number, what).reshape(number, 2, 2)
        loss_sums = _losses(record, number)
        histograms = unpack_histograms(record, number)
        known = confusion.sum(axis=(1, 2))
        if (known > cases).any():
            raise WireError("a finding is known of more cases than were evaluated")
        if (histograms.sides != confusion.sum(axis=2)).any():
            raise WireError("the score histogram and the confusion counts disagree on the cases of a finding")
        if loss_sums[known == 0].any():
            raise WireError("a finding has a loss, but is known of no case")
        return FindingEvaluation(self.findings, cases, confusion, histograms, loss_sums)


def _losses(record: ConfigRecord, number: int) -> NDArray[np.float64]:
    values = record.get("loss-sums")
    if not isinstance(values, list) or len(values) != number or not all(isinstance(value, float) for value in values):
        raise WireError("the evaluation losses must be one number per finding")
    losses = np.array(values, np.float64)
    if not np.isfinite(losses).all() or (losses < 0).any():
        raise WireError("an evaluation loss is not a finite number, 0 or more")
    return losses
