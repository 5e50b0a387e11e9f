"""Multi-label findings: each finding of a case is present, absent, or unknown.

Unknown labels are left out of all figures, losses and counts.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import DataError, PlanError, WireError
from fedgraft.common.interfaces.scores import Answer
from fedgraft.common.interfaces.task import Cell, Labelled, Outcome, Scheme
from fedgraft.common.records import count_of
from fedgraft.common.tasks.absent import finding_divergence
from fedgraft.common.tasks.cells import alike_columns, cells_of, number_of_truth, targets_by_case, unreadable
from fedgraft.common.tasks.finding_evaluation import FIGURES, FindingEvaluation
from fedgraft.common.tasks.metrics import COLUMNS, count_places, merge_histograms, no_scores, places
from fedgraft.common.tasks.records import counts_of, unpack_histograms
from fedgraft.common.tasks.sample_size import few_cases
from fedgraft.common.tasks.weights import are_one, finding_weights
from fedgraft.common.truth import truth


@dataclass(frozen=True)
class Multilabel:
    """Labels ``(N, C)`` float32: 0, 1, or NaN for unknown; outputs ``(N, C)``: the log odds of each finding."""

    classes: tuple[str, ...]
    name: ClassVar[str] = "multilabel"
    one_class_per_case: ClassVar[bool] = False
    has_classes: ClassVar[bool] = True
    has_probabilities: ClassVar[bool] = True
    whole_batches: ClassVar[bool] = False
    may_be_unknown: ClassVar[bool] = True
    reads_label: ClassVar[bool] = False
    not_mixable: ClassVar[str] = ""
    unusable: ClassVar[str] = "a finding's cell that is neither 1, 0 nor empty"
    mend: ClassVar[str] = "correct the manifest, or leave these lines out"
    headline: ClassVar[str] = "auroc"
    ranking: ClassVar[str] = "one case with a finding and one without it rates the first higher (mean over findings)"
    prevalence_of: ClassVar[str] = "mean of findings"
    undefined: ClassVar[str] = "cases of one class only"
    figures: ClassVar[tuple[str, ...]] = FIGURES
    columns: ClassVar[dict[str, str]] = COLUMNS
    loss: ClassVar[str] = "binary_cross_entropy"
    counting: ClassVar[str] = "counts of each finding's known negatives and positives"
    leaving: ClassVar[str] = (
        "for each finding confusion counts and score histograms (of groups of release.min_count neighbouring scores; "
        "each case's score to a quarter of a percent, without saying whose, if the site file says release.scores: fine)"
    )

    @property
    def problem(self) -> str:
        return "" if self.classes else "data.classes must name the findings with data.task=multilabel"

    @property
    def output_names(self) -> tuple[str, ...]:
        return self.classes

    @property
    def purpose(self) -> str:
        return f"looks for {len(self.classes)} findings: {', '.join(self.classes)}"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    @property
    def manifest_columns(self) -> tuple[str, ...]:
        return self.classes

    @property
    def counts(self) -> tuple[str, ...]:
        """For each finding in turn, the cases known not to have it, and those known to have it."""
        return tuple(f"{name} {side}" for name in self.classes for side in ("absent", "present"))

    def cells(self) -> tuple[Cell, ...]:
        return tuple(Cell(name, _is_finding, "1, 0, or empty for unknown") for name in self.classes)

    def found_classes(self, cases: Sequence[Labelled]) -> dict[str, int]:
        """Always raises `PlanError`: any column of yes and no could be a finding or something else."""
        columns = ", ".join(alike_columns(self, cases)) or "none"
        raise PlanError(
            f"data.classes must name the findings with data.task=multilabel; columns that could be one: {columns}"
        )

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        """Cells are 1 or 0 (also true or false, yes or no, 1.0 or 0.0, ignoring case), or empty for unknown."""
        rows = cells_of(cases, self.classes, self.name, may_be_unmarked=True)
        values = [[math.nan if cell == "" else number_of_truth(cell) for cell in row] for row in rows]
        strange = [any(value is None for value in row) for row in values]
        if any(strange):
            raise DataError(
                f"{sum(strange)} case(s) have a finding that is not 1, 0 (or true/false, yes/no), or empty for unknown"
            )
        return torch.tensor(values, dtype=torch.float32).reshape(len(cases), len(self.classes))

    def has(self, case: Labelled) -> tuple[str, ...]:
        return tuple(name for name in self.classes if truth(case.column(name) or "") is True)

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        """The rarest finding that a unit has (rarest by the number of units); ``""`` for a unit without any."""
        has = {name: {one for case in cases for one in self.has(case)} for name, cases in units.items()}
        count = Counter(one for some in has.values() for one in some)
        return {name: min(some, key=lambda one: (count[one], one), default="") for name, some in has.items()}

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        rows = targets_by_case(self, cases)
        known = [
            None if row is None else [None if math.isnan(side) else side > 0 for side in row.tolist()] for row in rows
        ]
        return tuple(
            Outcome(name, tuple(None if row is None else row[at] for row in known))
            for at, name in enumerate(self.classes)
        )

    def unreadable(self, cases: Sequence[Labelled]) -> list[int]:
        return unreadable(self, cases)

    def resembles_outcome(self, cells: Sequence[str]) -> bool:
        """Whether every cell is yes, no or empty: a finding that the plan does not use."""
        return all(map(_is_finding, cells))

    def shortages(self, outcomes: Sequence[Outcome], among: Sequence[int], split: str) -> list[tuple[str, str]]:
        """Counted separately for cases with and without each finding."""
        counted = [(one.name, one.count(True, among)) for one in outcomes]
        counted += [(f"without {one.name}", one.count(False, among)) for one in outcomes]
        return few_cases(counted, split, "more cases, or fewer findings")

    def mask(self, outputs: Tensor, labels: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
        """Findings for which the site has only positive or only negative cases are set to unknown."""
        return outputs, labels.masked_fill(~learnable.to(labels.device), torch.nan)

    def divergence(self, teacher: Tensor, student: Tensor, learnable: Tensor) -> Tensor:
        return finding_divergence(teacher, student, learnable)

    def count(self, labels: Tensor) -> tuple[int, ...]:
        by_side = torch.stack([(labels == side).sum(dim=0) for side in (0, 1)], dim=1)
        return tuple(int(n) for n in by_side.reshape(-1))

    def known(self, labels: Tensor) -> tuple[int, ...] | None:
        marked = (~torch.isnan(labels)).sum(dim=0).tolist()
        return None if all(count == len(labels) for count in marked) else tuple(marked)

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return all(absent + present <= cases for absent, present in zip(counts[::2], counts[1::2], strict=True))

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """Both counts of a finding become 0 if one of them is above 0 and below ``min_count``; the others remain, since
        of many findings some are rare at every site. ``None`` if all are 0."""
        pairs = zip(counts[::2], counts[1::2], strict=True)
        kept = [(0, 0) if any(0 < count < min_count for count in pair) else pair for pair in pairs]
        return tuple(count for pair in kept for count in pair) if any(map(any, kept)) else None

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        return finding_weights(counts, scheme, beta)

    def weighs_alike(self, counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> bool:
        """False if a count is 0, since it may have been withheld."""
        return 0 not in counts and are_one(self.weights(counts, scheme, beta), counts)

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """Findings with positive and negative cases: from one kind alone only a bias is learnt."""
        return tuple(absent > 0 and present > 0 for absent, present in zip(counts[::2], counts[1::2], strict=True))

    def some_labels(self, cases: int) -> Tensor:
        return ((torch.arange(cases)[:, None] + torch.arange(len(self.classes))) % 2).float()

    @property
    def scored(self) -> tuple[str, ...]:
        return self.classes

    @property
    def answers(self) -> tuple[Answer, ...]:
        return tuple(
            Answer(name, answer, place, answer == "yes")
            for place, name in enumerate(self.classes)
            for answer in ("no", "yes")
        )

    def scores(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        return outputs.astype(np.float64)

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.exp(-np.logaddexp(0, -scores))

    def log_odds(self, outputs: Tensor) -> Tensor:
        return outputs

    def shares(self, log_odds: Tensor) -> Tensor:
        return log_odds.sigmoid()

    def evaluate_parts(
        self, outputs: NDArray[np.floating], labels: NDArray[np.floating], sizes: Sequence[int]
    ) -> list[FindingEvaluation]:
        scores, known, positive = self.scores(outputs), ~np.isnan(labels), labels == 1
        number = len(self.classes)
        losses = np.where(known, np.logaddexp(0, scores) - positive * scores, 0.0)
        where = places(scores, positive)
        cells = 4 * np.arange(number) + 2 * positive + (scores > 0)
        found, start = [], 0
        for size in sizes:
            part = slice(start, start + size)
            told = known[part]
            confusion = np.bincount(cells[part][told], minlength=4 * number).reshape(number, 2, 2)
            histograms = count_places(where[part][told], number)
            found.append(FindingEvaluation(self.classes, size, confusion, histograms, losses[part].sum(axis=0)))
            start += size
        return found

    def merge(self, parts: Sequence[FindingEvaluation]) -> FindingEvaluation:
        return FindingEvaluation(
            self.classes,
            sum(part.cases for part in parts),
            np.sum([part.confusion for part in parts], axis=0),
            merge_histograms([part.histograms for part in parts]),
            np.sum([part.loss_sums for part in parts], axis=0),
        )

    def empty(self) -> FindingEvaluation:
        number = len(self.classes)
        return FindingEvaluation(
            self.classes, 0, np.zeros((number, 2, 2), np.int64), no_scores(number), np.zeros(number)
        )

    def unpack(self, record: ConfigRecord) -> FindingEvaluation:
        number = len(self.classes)
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
        return FindingEvaluation(self.classes, cases, confusion, histograms, loss_sums)


def _is_finding(cell: str) -> bool:
    return cell == "" or truth(cell) is not None


def _losses(record: ConfigRecord, number: int) -> NDArray[np.float64]:
    values = record.get("loss-sums")
    if not isinstance(values, list) or len(values) != number or not all(isinstance(value, float) for value in values):
        raise WireError("the evaluation losses must be one number per finding")
    losses = np.array(values, np.float64)
    if not np.isfinite(losses).all() or (losses < 0).any():
        raise WireError("an evaluation loss is not a finite number, 0 or more")
    return losses
