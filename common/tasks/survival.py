"""Survival: the time to an event, which was seen or not (censored), and a network that gives the log hazard.

The C-index is Harrell's (JAMA 1982): of the comparable pairs, the share in which the case with the higher hazard has
its event first; equal hazards count half. A pair is comparable if one case has an event, and the other is known to have
none until later: its time is later, or is the same and censored. Two events at one time are not comparable.

Pairs are counted within a site. Merging sites adds their pairs, which gives a C-index stratified by site: patients of
different sites are never compared, and only a handful of numbers leaves.
"""

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

from fedgraft.common.errors import PlanError, WireError
from fedgraft.common.interfaces.task import Scalar, Scheme
from fedgraft.common.tasks.metrics import ratio
from fedgraft.common.tasks.records import finite_of
from fedgraft.common.wire.values import count_of

Floats = NDArray[np.float64]
_PAIRS = ("comparable", "concordant", "tied")


@dataclass(frozen=True)
class SurvivalEvaluation:
    """Sums over one set of cases.

    Attributes:
        comparable: pairs; of them ``concordant`` are in the right order, and ``tied`` have equal hazards.
        loss_sum: the negative log partial likelihood (Cox 1972, ties as in Breslow 1974), in nats, with the cases as
            the risk set.
    """

    cases: int
    events: int
    comparable: int
    concordant: int
    tied: int
    loss_sum: float

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
        """``events`` and ``comparable`` pairs: how much the C-index rests on."""
        return {"events": self.events, "comparable": self.comparable}

    def releasable(self, min_count: int) -> SurvivalEvaluation | None:
        """All of it, or nothing about fewer than ``min_count`` cases."""
        return self if self.cases >= min_count else None

    def pack(self) -> ConfigRecord:
        counts = {name: getattr(self, name) for name in ("cases", "events", *_PAIRS)}
        return ConfigRecord({**counts, "loss-sum": float(self.loss_sum)})


@dataclass(frozen=True)
class Survival:
    """Labels ``(N, 2)`` float32: time above 0, and event 0 or 1; outputs ``(N, 1)``: the log hazard."""

    counts: ClassVar[tuple[str, ...]] = ("censored", "event")
    headline: ClassVar[str] = "c_index"
    figures: ClassVar[tuple[str, ...]] = ("c_index", "loss")
    columns: ClassVar[dict[str, str]] = {"c_index": "C-index", "loss": "loss"}
    loss: ClassVar[str] = "cox"
    counting: ClassVar[str] = "counts of censored cases and events"
    leaving: ClassVar[str] = (
        "cases, events, comparable, concordant and tied pairs within the site, and the negative log partial likelihood"
    )

    def count(self, labels: Tensor) -> tuple[int, ...]:
        events = int((labels[:, 1] == 1).sum())
        return len(labels) - events, events

    def fits(self, counts: Sequence[int], cases: int) -> bool:
        return sum(counts) == cases

    def releasable(self, counts: tuple[int, ...], min_count: int) -> tuple[int, ...] | None:
        """Both of them, if each is 0 or at least ``min_count``."""
        return None if any(0 < count < min_count for count in counts) else counts

    def learnable(self, counts: tuple[int, ...]) -> tuple[bool, ...]:
        """The log hazard, from whatever cases."""
        return (True,)

    def weights(self, counts: tuple[int, ...], scheme: Scheme = "inverse", beta: float | None = None) -> Tensor:
        raise PlanError("loss.weights has no effect with data.task=survival; set it to none")

    def some_labels(self, cases: int) -> Tensor:
        numbers = torch.arange(cases)
        return torch.stack([numbers + 1, numbers % 2], dim=1).float()

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
        return SurvivalEvaluation(**sums, loss_sum=math.fsum(part.loss_sum for part in parts))

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
        return SurvivalEvaluation(cases, events, comparable, concordant, tied, loss_sum)


def _evaluate(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> SurvivalEvaluation:
    pairs = concordance(hazard, time, event)
    return SurvivalEvaluation(len(time), int(event.sum()), *pairs, partial_likelihood(hazard, time, event))


def concordance(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> tuple[int, int, int]:
    """Comparable, concordant and tied pairs, in ``O(n log^2 n)``.

    Cases are numbered by time, events before what is censored at the same time. An event is comparable with every case
    of a higher number. Two numbers a < b differ first in one bit: b lies in the block that follows a's, of some size
    2^k. So for each k, the cases are sorted by block and hazard, and each event looks itself up in the next block.

    Args:
        hazard: ``(n,)``, of any scale.
        time, event: ``(n,)``.
    """
    number = np.unique(2 * np.unique(time, return_inverse=True)[1] + ~event, return_inverse=True)[1]
    rank = np.unique(hazard, return_inverse=True)[1]
    wide = len(time) + 1
    comparable = concordant = tied = 0
    for k in range(int(number.max(initial=0)).bit_length()):
        block = number >> k
        keys = np.sort(block * wide + rank)
        asking = event & (block % 2 == 0)
        first = (block[asking] + 1) * wide
        low, high = np.searchsorted(keys, first), np.searchsorted(keys, first + wide)
        left = np.searchsorted(keys, first + rank[asking])
        right = np.searchsorted(keys, first + rank[asking], "right")
        comparable += int((high - low).sum())
        concordant += int((left - low).sum())
        tied += int((right - left).sum())
    return comparable, concordant, tied


def partial_likelihood(hazard: Floats, time: Floats, event: NDArray[np.bool_]) -> float:
    """The negative log partial likelihood, summed over the events: ``sum log sum_{t_j >= t_i} exp(h_j) - h_i``."""
    order = np.argsort(-time, kind="stable")
    hazard, time, event = hazard[order], time[order], event[order]
    if not event.any():
        return 0.0
    last = np.searchsorted(-time, -time, "right") - 1  # of those at the same time
    at_risk = np.logaddexp.accumulate(hazard)[last]
    return float((at_risk - hazard)[event].sum())


def _pairs(record: ConfigRecord, key: str) -> int:
    value = record.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise WireError(f"`{key}` must be a whole number of pairs")
    return value
