"""Classification: each case has one of two or more classes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import DataError, WireError
from fedgraft.common.interfaces.scores import Answer
from fedgraft.common.interfaces.task import Cell, Labelled, Outcome, Scheme
from fedgraft.common.tasks.absent import class_divergence
from fedgraft.common.tasks.cells import label_counts
from fedgraft.common.tasks.class_evaluation import (
    FIGURES,
    ClassEvaluation,
    class_probabilities,
    log_probabilities,
    one_against_rest,
    scored_classes,
)
from fedgraft.common.tasks.in_torch import class_log_odds, class_shares
from fedgraft.common.tasks.metrics import COLUMNS, count_places, merge_histograms, no_scores, places
from fedgraft.common.tasks.records import counts_of, finite_of, unpack_histograms
from fedgraft.common.tasks.sample_size import few_cases
from fedgraft.common.tasks.weights import are_one, class_weights


@dataclass(frozen=True)
class Classification:
    """Labels ``(N,)`` int64, class indices in ``[0, C)``; outputs ``(N, C)``: a logit for each class."""

    classes: tuple[str, ...]
    name: ClassVar[str] = "classification"
    one_class_per_case: ClassVar[bool] = True
    has_classes: ClassVar[bool] = True
    has_probabilities: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = False
    may_be_unknown: ClassVar[bool] = False
    reads_label: ClassVar[bool] = True
    not_mixable: ClassVar[str] = ""
    manifest_columns: ClassVar[tuple[str, ...]] = ()
    headline: ClassVar[str] = "auroc"
    undefined: ClassVar[str] = "cases of one class only"
    figures: ClassVar[tuple[str, ...]] = FIGURES
    columns: ClassVar[dict[str, str]] = COLUMNS
    loss: ClassVar[str] = "cross_entropy"
    counting: ClassVar[str] = "class counts"
    leaving: ClassVar[str] = (
        "confusion counts and score histograms (of groups of release.min_count neighbouring scores; each case's "
        "score to a quarter of a percent, without saying whose, if the site file says release.scores: fine)"
    )

    @property
    def problem(self) -> str:
        enough = len(self.classes) >= 2
        return "" if enough else "data.classes must name two classes or more with data.task=classification"

    @property
    def purpose(self) -> str:
        if len(self.classes) == 2:
            return f"tells {self.classes[1]} from {self.classes[0]} cases"
        return f"tells {len(self.classes)} kinds of cases apart: {', '.join(self.classes)}"

    @property
    def ranking(self) -> str:
        if len(self.classes) == 2:
            return f"one {self.classes[1]} and one {self.classes[0]} case it rates the {self.classes[1]} one higher"
        return "one case of a class and one of another it rates the first one higher for that class (mean over classes)"

    @property
    def prevalence_of(self) -> str:
        return self.classes[1] if len(self.classes) == 2 else "rarest class"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def unusable(self) -> str:
        return f"a label that is not in the plan's data.classes ({', '.join(self.classes)})"

    @property
    def mend(self) -> str:
        return (
            "a label that is this hospital's own word for a class belongs under `terms` in site.yaml, as "
            f"`terms: {{its word: {self.classes[-1]}}}`; correct others in the manifest, or leave their lines out"
        )

    @property
    def counts(self) -> tuple[str, ...]:
        return self.classes

    def cells(self) -> tuple[Cell, ...]:
        label = Cell("label", self.classes.__contains__, "a class of data.classes", self.classes)
        return (label,) if self.classes else ()

    def found_classes(self, cases: Sequence[Labelled]) -> dict[str, int]:
        return label_counts(cases)

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        index = {name: number for number, name in enumerate(self.classes)}
        strange = sum(case.label not in index for case in cases)
        if strange:
            raise DataError(f"{strange} case(s) have a label that is not in data.classes: {', '.join(self.classes)}")
        return torch.tensor([index[case.label] for case in cases], dtype=torch.int64)

    def has(self, case: Labelled) -> tuple[str, ...]:
        return (case.label,)

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        """Each unit's `most_frequent_label`."""
        return {name: most_frequent_label(cases) for name, cases in units.items()}

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        labels = [case.label for case in cases]
        return tuple(Outcome(name, tuple(label == name for label in labels)) for name in self.classes)

    def unreadable(self, cases: Sequence[Labelled]) -> list[int]:
        return [position for position, case in enumerate(cases) if case.label not in self.classes]

    def resembles_outcome(self, cells: Sequence[str]) -> bool:
        return False

    def shortages(self, outcomes: Sequence[Outcome], among: Sequence[int], split: str) -> list[tuple[str, str]]:
        counted = [(one.name, one.count(True, among)) for one in outcomes]
        return few_cases(counted, split, "more cases, or fewer classes")

    def mask(self, outputs: Tensor, labels: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
        """Absent classes are left out of the softmax (restricted softmax; Li & Zhan, IJCAI 2021)."""
        return outputs.masked_fill(~learnable.to(outputs.device), -torch.inf), labels

    def divergence(self, teacher: Tensor, student: Tensor, learnable: Tensor) -> Tensor:
        return class_divergence(teacher, student, learnable)

    def count(self, labels: Tensor) -> tuple[int, ...]:
        """Cases by class."""
        return tuple(int(n) for n in torch.bincount(labels, minlength=len(self.classes)))

    def known(self, labels: Tensor) -> None:
        """None: every case has its label."""

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return sum(counts) == cases

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """All of them, if every one is 0 or at least ``min_count``."""
        return None if any(0 < count < min_count for count in counts) else counts

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        return class_weights(counts, scheme, beta)

    def weighs_alike(self, counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> bool:
        return are_one(self.weights(counts, scheme, beta), counts)

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """Classes that have a case."""
        return tuple(count > 0 for count in counts)

    def some_labels(self, cases: int) -> Tensor:
        return torch.arange(cases) % len(self.classes)

    @property
    def scored(self) -> tuple[str, ...]:
        return tuple(self.classes[c] for c in scored_classes(len(self.classes)))

    @property
    def answers(self) -> tuple[Answer, ...]:
        if len(self.classes) == 2:
            return tuple(Answer("class", name, 0, place == 1) for place, name in enumerate(self.classes))
        return tuple(Answer("class", name, place, True) for place, name in enumerate(self.classes))

    def scores(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        return one_against_rest(log_probabilities(outputs))

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `fedgraft.common.tasks.class_evaluation.class_probabilities`."""
        return class_probabilities(scores)

    def log_odds(self, outputs: Tensor) -> Tensor:
        return class_log_odds(outputs)

    def shares(self, log_odds: Tensor) -> Tensor:
        return class_shares(log_odds)

    def evaluate_parts(
        self, outputs: NDArray[np.floating], labels: NDArray[np.integer], sizes: Sequence[int]
    ) -> list[ClassEvaluation]:
        classes = outputs.shape[1]
        chosen = list(scored_classes(classes))
        log_p = log_probabilities(outputs)
        pairs = labels * classes + outputs.argmax(axis=1)
        losses = -log_p[np.arange(len(labels)), labels]
        where = places(one_against_rest(log_p), labels[:, None] == chosen)
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


def most_frequent_label(cases: Iterable[Labelled]) -> str:
    """The most frequent class among the cases of a unit; of equally frequent ones, the first in the alphabet."""
    counts = Counter(case.label for case in cases)
    return min(counts, key=lambda label: (-counts[label], label))
