"""The evaluation of multi-label findings: confusion counts and score histograms by finding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from flwr.app import ConfigRecord
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import Calls, ScoreCounts
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
    "loss",
)


@dataclass(frozen=True)
class FindingEvaluation:
    """Counts over one set of cases, by finding.

    Attributes:
        findings: the names of the C findings.
        cases: number of all cases, with known labels or not.
        confusion: ``(C, 2, 2)`` int64: for each finding, known cases by true and predicted label (0, 1; at p = 0.5).
        histograms: of each finding's scores.
        loss_sums: ``(C,)`` float64: sums of the unweighted binary cross-entropy over known labels, in nats.
    """

    findings: tuple[str, ...]
    cases: int
    confusion: Counts
    histograms: Histograms
    loss_sums: NDArray[np.float64]

    @property
    def known(self) -> Counts:
        """``(C,)`` int64: for each finding, the number of cases in which it is known."""
        total: Counts = self.confusion.sum(axis=(1, 2))
        return total

    @property
    def prevalence(self) -> Scalar:
        """The mean prevalence over findings that are known in at least one case."""
        shares = [ratio(int(table[1].sum()), int(table.sum())) for table in self.confusion]
        return mean([share for share in shares if share is not None])

    def figures(self) -> dict[str, Scalar]:
        """Macro means over the findings with positive and negative cases (`details` names the others); ``loss`` is the
        mean over all known labels, in nats."""
        whole = [finding for finding in self._by_finding().values() if finding["auroc"] is not None]
        macro = {name: mean([finding[name] for finding in whole]) for name in FIGURES if name != "loss"}
        return {**macro, "loss": ratio(float(self.loss_sums.sum()), int(self.known.sum()))}

    def details(self) -> dict[str, Any]:
        """``findings.<name>.<figure>``, with ``cases`` (in which it is known) and ``prevalence``; ``undefined``: the
        findings that are not in the macro means, since they lack positive or negative cases."""
        by_finding = self._by_finding()
        undefined = [name for name, finding in by_finding.items() if finding["auroc"] is None]
        return {"findings": by_finding, "undefined": undefined}

    def score_counts(self) -> tuple[ScoreCounts, ...]:
        return self.histograms.score_counts()

    def calls(self) -> tuple[Calls | None, ...]:
        return tuple((table[1][1], table[0][1], table[0][0], table[1][0]) for table in self.confusion.tolist())

    def releasable(self, min_count: int) -> FindingEvaluation | None:
        """Without findings that are known in fewer than ``min_count`` cases; ``None`` if none is left, or if there are
        fewer cases."""
        few = [place for place, known in enumerate(self.known.tolist()) if known < min_count]
        if self.cases < min_count or len(few) == len(self.findings):
            return None
        confusion, loss_sums = self.confusion.copy(), self.loss_sums.copy()
        confusion[few], loss_sums[few] = 0, 0.0
        return replace(self, confusion=confusion, histograms=self.histograms.without(few), loss_sums=loss_sums)

    def merged(self, least: int) -> FindingEvaluation:
        return replace(self, histograms=self.histograms.merged(least))

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
