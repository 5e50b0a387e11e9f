"""How sure an AUROC is: its variance over cases, from score counts or from scores case by case, and its interval.

DeLong, DeLong & Clarke-Pearson, Biometrics 1988, section 3: each case's share in the area is a placement, the part of
the other side that it is ranked right against. Cases count as independent, also those of one patient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.tasks.delong import auroc_interval, auroc_with_variance
from fedgraft.common.tasks.intervals import quantile
from fedgraft.common.tasks.metrics import auroc

FEW = 5
"""With fewer positive or negative cases than this a site's AUROC says nothing about the site."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Area:
    """An AUROC, or a mean of several.

    Attributes:
        variance: of ``value`` over samples of cases; ``nan`` if a side has one case only.
        positives, negatives: cases of each side; with several classes or findings, of the one that has the fewest. Of a
            C-index: with and without the event.
        compared: pairs of cases that are compared, if it is not each positive with each negative.
    """

    value: float
    variance: float
    positives: int
    negatives: int
    compared: int | None = None

    @property
    def pairs(self) -> int:
        return self.positives * self.negatives if self.compared is None else self.compared

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval, symmetric in the logit of the area.

        Where all pairs are ranked alike, or a side has one case only, the variance says nothing; then the values that
        the area does not contradict, each with the variance that it would have (Newcombe, Stat. Med. 2006, method 5).
        """
        if not 0 < self.value < 1 or not self.variance > 0:
            cases = self.positives + self.negatives
            return _below(self.value, self.pairs, cases), 1 - _below(1 - self.value, self.pairs, cases)
        return auroc_interval(self.value, self.variance)


def area(counts: ScoreCounts) -> Area | None:
    """The AUROC of one class or finding; ``None`` without positive or without negative cases."""
    if counts.one_sided:
        return None
    sure = auroc_with_variance(counts)
    if sure is None:  # a side has one case
        curve = list(zip(counts.negatives.tolist(), counts.positives.tolist(), strict=True))
        sure = auroc(curve) or 0.0, math.nan
    return Area(*sure, int(counts.positives.sum()), int(counts.negatives.sum()))


def within(strata: Sequence[ScoreCounts]) -> Area | None:
    """The share of pairs of a positive and a negative case *of the same stratum* that are ranked right; ``None`` if no
    stratum has cases of both sides."""
    found = [one for one in map(area, strata) if one is not None]
    pairs = sum(one.pairs for one in found)
    if not pairs:
        return None
    value = math.fsum(one.value * one.pairs for one in found) / pairs
    known = [one for one in found if not math.isnan(one.variance)]
    variance = math.fsum(one.variance * one.pairs**2 for one in known) / pairs**2 if known else math.nan
    return Area(value, variance, sum(one.positives for one in found), sum(one.negatives for one in found))


def mean_area(areas: Sequence[Area]) -> Area | None:
    """The mean over classes or findings. They are scored on the same cases, so that their errors may go together: the
    deviation is the mean of theirs, which is the most that it can be."""
    if not areas:
        return None
    deviation = math.fsum(math.sqrt(one.variance) for one in areas) / len(areas)
    fewest = min(areas, key=lambda one: min(one.positives, one.negatives))
    value = math.fsum(one.value for one in areas) / len(areas)
    return Area(value, deviation**2, fewest.positives, fewest.negatives)


def area_of(evaluation: Evaluation) -> Area | None:
    """The evaluation's AUROC as a figure of its task has it; ``None`` if it is undefined, or no figure of the task."""
    if evaluation.figures().get("auroc") is None:
        return None
    return mean_area([one for one in map(area, evaluation.score_counts()) if one is not None])


@runtime_checkable
class Ranks(Protocol):
    """An evaluation that counts no scores, and says itself how sure its task's headline figure is."""

    def ranking(self) -> Area | None:
        """The share of comparable pairs that are ranked right; ``None`` without a pair."""


def ranking_of(evaluation: Evaluation) -> Area | None:
    """The share of pairs of which an evaluation tells how sure it is: its `area_of`, or its own."""
    return evaluation.ranking() if isinstance(evaluation, Ranks) else area_of(evaluation)


def area_within(evaluations: Sequence[Evaluation]) -> Area | None:
    """The AUROC over pairs of cases of the same evaluation, as a mean over the classes or findings that have some."""
    by_score = zip(*(evaluation.score_counts() for evaluation in evaluations), strict=True)
    return mean_area([one for one in map(within, by_score) if one is not None])


def too_few(evaluation: Evaluation) -> bool:
    """Whether an evaluation has fewer than `FEW` positive or negative cases: of more than half of its classes or
    findings, or, where no scores are counted, fewer than so many events."""
    counts = evaluation.score_counts()
    if not counts:
        return bool(evaluation.details().get("events", FEW) < FEW)
    enough = sum(min(one.negatives.sum(), one.positives.sum()) >= FEW for one in counts)
    return bool(2 * enough < len(counts))


def influence(scores: Floats, truth: Floats) -> Floats:
    """How far each case moves the AUROC: the squares sum to its variance, those of a difference to that of two models'
    difference on the same cases (DeLong et al. 1988, equation 5).

    Args:
        scores: ``(N, S)``, of each class or finding.
        truth: ``(N, S)``: 1 or 0; ``nan`` if unknown.

    Returns:
        ``(N,)``: of the mean over the classes or findings with cases of both sides.
    """
    found = [_influence(scores[:, place], truth[:, place]) for place in range(scores.shape[1])]
    known = [one for one in found if one is not None]
    return np.mean(known, axis=0) if known else np.zeros(len(scores))


def _influence(scores: Floats, truth: Floats) -> Floats | None:
    positive, negative = truth == 1, truth == 0
    m, n = int(positive.sum()), int(negative.sum())
    if m < 2 or n < 2:
        return None
    found = np.zeros(len(scores))
    for side, other, sign, count, whole in ((positive, negative, 1, m, n), (negative, positive, -1, n, m)):
        ordered = np.sort(scores[other])
        below = np.searchsorted(ordered, scores[side], "left") + np.searchsorted(ordered, scores[side], "right")
        placed = below / (2 * whole)
        found[side] = sign * (placed - placed.mean()) / math.sqrt(count * (count - 1))
    return found


def smallest_difference(area_: Area) -> float:
    """The least difference to another model, tested on as many other cases of the same kind, that such a test finds in
    80 of 100 tries at 5 % (two-sided): ``(z(0.975) + z(0.8)) sqrt(2 variance)``."""
    return _POWER * math.sqrt(2 * area_.variance)


def cases_to_see(difference: float, variance: float, cases: int) -> int:
    """How many cases it takes to find this difference, if ``cases`` give the ``variance`` of one model's figure."""
    return math.ceil(cases * 2 * variance * (_POWER / difference) ** 2)


_POWER = quantile(0.95) + quantile(0.6)  # the latter: the 0.8 quantile


def area_by_groups(groups: Mapping[str, tuple[int, int]]) -> float | None:
    """The AUROC of a score that knows nothing of a case but its group, at its best: groups in the order of their share
    of positives.

    Args:
        groups: ``(negatives, positives)`` by group.
    """
    ordered = sorted((both for both in groups.values() if sum(both)), key=lambda both: both[1] / sum(both))
    table = np.array(ordered, np.int64).reshape(-1, 2)
    found = area(ScoreCounts(np.arange(len(table), dtype=np.float64), table[:, 0], table[:, 1]))
    return None if found is None else found.value


def _below(value: float, pairs: int, cases: int) -> float:
    """The lowest area that ``value`` does not contradict, by bisection; the variance is Hanley & McNeil's (Radiology
    1982) with equal sides."""
    more, z = cases / 2 - 1, quantile(0.95)
    low, high = 0.0, value
    for _ in range(60):
        middle = (low + high) / 2
        spread = 1 + more * ((1 - middle) / (2 - middle) + middle / (1 + middle))
        reach = middle + z * math.sqrt(middle * (1 - middle) * spread / pairs)
        low, high = (middle, high) if reach < value else (low, middle)
    return low
