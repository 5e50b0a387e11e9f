"""Survival: the time to an event or to censoring, and a network whose output is the log hazard.

Pairs are counted within a site, and added when evaluations are merged: the C-index is stratified by site. Patients of
different sites are never compared, and only a few numbers leave a site.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from flwr.app import ConfigRecord
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import DataError, PlanError, WireError
from fedgraft.common.interfaces.scores import Answer, ScoreCounts
from fedgraft.common.interfaces.task import Cell, Labelled, Outcome, Scalar, Scheme
from fedgraft.common.records import count_of
from fedgraft.common.tasks.areas import Area
from fedgraft.common.tasks.cells import cells_of, number_of_truth, targets_by_case, unreadable
from fedgraft.common.tasks.concordance import Floats, concordance, partial_likelihood, variance
from fedgraft.common.tasks.metrics import ratio
from fedgraft.common.tasks.records import finite_of
from fedgraft.common.tasks.sample_size import consequence
from fedgraft.common.truth import truth

TIME, EVENT = "time", "event"
"""The manifest's columns."""
LEAST_EVENTS = 10
"""The fewest events in a split: with fewer, the C-index is too uncertain."""
_PAIRS = ("comparable", "concordant", "tied")
_SQUARES, _SCALE = "squares", 2.0**-20
"""Squares travel scaled, exactly, so that they lie within the range of secure sums."""


@dataclass(frozen=True)
class SurvivalEvaluation:
    """Sums over one set of cases.

    Attributes:
        comparable: number of comparable pairs.
        concordant: those in which the case with the higher hazard has its event first.
        tied: those with equal hazards.
        loss_sum: the negative log partial likelihood (Cox 1972, ties as in Breslow 1974) over these cases, in nats.
        squares: as `CasePairs.squares`, by which the C-index has an interval.
    """

    cases: int
    events: int
    comparable: int
    concordant: int
    tied: int
    loss_sum: float
    squares: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def prevalence(self) -> Scalar:
        """Share of the cases whose event was seen."""
        return ratio(self.events, self.cases)

    def figures(self) -> dict[str, Scalar]:
        """``c_index``, ``None`` without a comparable pair; ``loss``: mean over events, ``None`` without one."""
        return {
            "c_index": ratio(self.concordant + self.tied / 2, self.comparable),
            "loss": ratio(self.loss_sum, self.events),
        }

    def details(self) -> dict[str, Any]:
        """``events`` and ``comparable`` pairs, which show how certain the C-index is."""
        return {"events": self.events, "comparable": self.comparable}

    def score_counts(self) -> tuple[ScoreCounts, ...]:
        return ()

    def ranking(self) -> Area | None:
        """The C-index, with its variance over cases; as `fedgraft.common.tasks.areas.Ranks`."""
        value = ratio(self.concordant + self.tied / 2, self.comparable)
        if value is None:
            return None
        spread = variance(value, self.comparable, self.squares)
        return Area(value, spread, self.events, self.cases - self.events, self.comparable)

    def releasable(self, min_count: int) -> SurvivalEvaluation | None:
        """All of it, or nothing about fewer than ``min_count`` cases."""
        return self if self.cases >= min_count else None

    def merged(self, least: int) -> SurvivalEvaluation:
        """Itself: nothing is binned."""
        return self

    def pack(self) -> ConfigRecord:
        counts = {name: getattr(self, name) for name in ("cases", "events", *_PAIRS)}
        squares = [one * _SCALE for one in self.squares]
        return ConfigRecord({**counts, "loss-sum": float(self.loss_sum), _SQUARES: squares})


@dataclass(frozen=True)
class Survival:
    """Labels ``(N, 2)`` float32: time above 0, and event 0 or 1; outputs ``(N, 1)``: the log hazard."""

    classes: tuple[str, ...] = ()
    name: ClassVar[str] = "survival"
    outputs: ClassVar[int] = 1
    output_names: ClassVar[tuple[str, ...]] = ("log_hazard",)
    one_class_per_case: ClassVar[bool] = False
    has_classes: ClassVar[bool] = False
    has_probabilities: ClassVar[bool] = False
    scored: ClassVar[tuple[str, ...]] = ()
    answers: ClassVar[tuple[Answer, ...]] = ()
    whole_batches: ClassVar[bool] = True
    may_be_unknown: ClassVar[bool] = False
    reads_label: ClassVar[bool] = False
    not_mixable: ClassVar[str] = "a partial likelihood ranks whole cases, and half a case has no time"
    manifest_columns: ClassVar[tuple[str, ...]] = (TIME, EVENT)
    unusable: ClassVar[str] = "a `time` that is not a number above 0, or an `event` that is not 1 or 0"
    mend: ClassVar[str] = "correct the manifest, or leave these lines out"
    counts: ClassVar[tuple[str, ...]] = ("censored", "event")
    headline: ClassVar[str] = "c_index"
    purpose: ClassVar[str] = "tells who is at a higher risk of an earlier event"
    ranking: ClassVar[str] = "two patients it gives the higher risk to the one whose event came first"
    prevalence_of: ClassVar[str] = "event"
    undefined: ClassVar[str] = "no pair of cases can be compared"
    figures: ClassVar[tuple[str, ...]] = ("c_index", "loss")
    columns: ClassVar[dict[str, str]] = {"c_index": "C-index", "loss": "loss"}
    loss: ClassVar[str] = "cox"
    counting: ClassVar[str] = "counts of censored cases and events"
    leaving: ClassVar[str] = (
        "cases, events, comparable, concordant and tied pairs within the site, sums of squares of a case's pairs, and "
        "the negative log partial likelihood"
    )

    @property
    def problem(self) -> str:
        return "data.classes has no effect with data.task=survival; set it to []" if self.classes else ""

    def cells(self) -> tuple[Cell, ...]:
        return (
            Cell(TIME, lambda cell: _time(cell) is not None, "a finite number above 0"),
            Cell(EVENT, lambda cell: truth(cell) is not None, "1 or 0"),
        )

    def found_classes(self, cases: Sequence[Labelled]) -> dict[str, int]:
        return {}

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        """Times are numbers above 0, in the same unit at all sites; events are 1 or 0 (or true, false, yes, no)."""
        rows = cells_of(cases, (TIME, EVENT), self.name)
        times, events = [_time(time) for time, _ in rows], [number_of_truth(event) for _, event in rows]
        for name, values, what in (
            (TIME, times, "a finite number above 0"),
            (EVENT, events, "1 or 0 (or true/false, yes/no)"),
        ):
            if None in values:
                raise DataError(f"{values.count(None)} case(s) have a `{name}` that is not {what}")
        return torch.tensor([times, events], dtype=torch.float32).T.reshape(len(cases), 2).contiguous()

    def has(self, case: Labelled) -> tuple[str, ...]:
        return (self.counts[truth(case.column(EVENT) or "") is True],)

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        """Whether any case of a unit has the event."""
        return {name: max(self.has(case)[0] for case in cases) for name, cases in units.items()}

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        rows = targets_by_case(self, cases)
        return (Outcome(EVENT, tuple(None if row is None else bool(row[1] > 0) for row in rows)),)

    def unreadable(self, cases: Sequence[Labelled]) -> list[int]:
        return unreadable(self, cases)

    def resembles_outcome(self, cells: Sequence[str]) -> bool:
        return False

    def shortages(self, outcomes: Sequence[Outcome], among: Sequence[int], split: str) -> list[tuple[str, str]]:
        found = []
        for events in (one.count(True, among) for one in outcomes):
            if events < LEAST_EVENTS:
                seen, cases = f"{events:,} event{'s' * (events != 1)}", f"{len(among):,} case{'s' * (len(among) != 1)}"
                text = f"{seen} among {cases}, fewer than {LEAST_EVENTS}; {consequence(split)}"
                found.append((text, "more cases, or a longer follow-up"))
        return found

    def mask(self, outputs: Tensor, labels: Tensor, learnable: Tensor) -> tuple[Tensor, Tensor]:
        """There is nothing that a site could lack."""
        return outputs, labels

    def divergence(self, teacher: Tensor, student: Tensor, learnable: Tensor) -> Tensor:
        """There is nothing that a site could lack."""
        return student.new_zeros(())

    def count(self, labels: Tensor) -> tuple[int, ...]:
        events = int((labels[:, 1] == 1).sum())
        return len(labels) - events, events

    def known(self, labels: Tensor) -> None:
        """None: every case has its label."""

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return sum(counts) == cases

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """Both counts, if each is 0 or at least ``min_count``."""
        return None if any(0 < count < min_count for count in counts) else counts

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """The log hazard can always be learnt."""
        return (True,)

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        raise PlanError("loss.weights has no effect with data.task=survival; set it to none")

    def weighs_alike(self, counts: tuple[int, ...], scheme: Scheme, beta: float | None) -> bool:
        return True

    def some_labels(self, cases: int) -> Tensor:
        numbers = torch.arange(cases)
        return torch.stack([numbers + 1, numbers % 2], dim=1).float()

    def scores(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """None: ``(N, 0)``; a log hazard says who is at greater risk, not at how great a one."""
        return np.zeros((len(outputs), 0))

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        raise PlanError("data.task=survival has no probabilities: its outputs are log hazards")

    def evaluate_parts(
        self, outputs: NDArray[np.floating], labels: NDArray[np.floating], sizes: Sequence[int]
    ) -> list[SurvivalEvaluation]:
        hazard, time, event = outputs[:, 0].astype(np.float64), labels[:, 0].astype(np.float64), labels[:, 1] == 1
        found, start = [], 0
        for size in sizes:
            part = slice(start, start + size)
            found.append(_evaluate(hazard[part], time[part], event[part]))
            start += size
        return found

    def merge(self, parts: Sequence[SurvivalEvaluation]) -> SurvivalEvaluation:
        sums = {name: sum(getattr(part, name) for part in parts) for name in ("cases", "events", *_PAIRS)}
        aa, ab, bb = (math.fsum(part.squares[place] for part in parts) for place in range(3))
        return SurvivalEvaluation(**sums, loss_sum=math.fsum(part.loss_sum for part in parts), squares=(aa, ab, bb))

    def empty(self) -> SurvivalEvaluation:
        return SurvivalEvaluation(0, 0, 0, 0, 0, 0.0)

    def unpack(self, record: ConfigRecord) -> SurvivalEvaluation:
        cases, events = count_of(record, "cases"), count_of(record, "events")
        comparable, concordant, tied = (_pairs(record, name) for name in _PAIRS)
        loss_sum = finite_of(record, "loss-sum")
        if events > cases:
            raise WireError("more events than cases")
        if comparable > events * (events - 1) // 2 + events * (cases - events):
            raise WireError("more comparable pairs than the cases and events can have")
        if concordant + tied > comparable:
            raise WireError("more concordant and tied pairs than comparable ones")
        if loss_sum != 0 and events == 0:
            raise WireError("a partial likelihood without an event")
        squares = _squares(record, comparable, cases)
        return SurvivalEvaluation(cases, events, comparable, concordant, tied, loss_sum, squares)


def _evaluate(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> SurvivalEvaluation:
    pairs = concordance(hazard, time, event)
    likelihood = partial_likelihood(hazard, time, event)
    return SurvivalEvaluation(len(time), int(event.sum()), *pairs.totals, likelihood, pairs.squares)


def _pairs(record: ConfigRecord, key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WireError(f"`{key}` must be a whole number of pairs")
    return value


def _squares(record: ConfigRecord, comparable: int, cases: int) -> tuple[float, float, float]:
    """Checked against the pairs; a secure sum is off by a step of its grid."""
    value = record.get(_SQUARES)
    if not isinstance(value, list) or len(value) != 3 or not all(isinstance(one, float) for one in value):
        raise WireError(f"`{_SQUARES}` must be three sums over pairs")
    aa, ab, bb = (float(one) / _SCALE for one in value)
    near = 0.01 + 1e-9 * cases * comparable
    if not (
        -near <= aa <= ab + near <= bb + 2 * near and 2 * comparable - near <= bb <= 2.0 * comparable * cases + near
    ):
        raise WireError("sums of squared pairs that the pairs can't have")
    return aa, ab, bb


def _time(cell: str) -> float | None:
    """A number that float32 holds too."""
    try:
        time = float(torch.tensor(float(cell), dtype=torch.float32))
    except ValueError:
        return None
    return time if math.isfinite(time) and time > 0 else None
