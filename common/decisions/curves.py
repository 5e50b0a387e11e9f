"""Curves over all thresholds: net benefit, and what is wrong among the cases that are answered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedgraft.common.calibration.logistic import sigmoid
from fedgraft.common.interfaces.scores import ScoreCounts

PROBABILITIES = tuple(round(0.01 * step, 2) for step in (*range(1, 10), *range(10, 100, 5)))
SHARES = tuple(round(0.05 * step, 2) for step in range(1, 21))


@dataclass(frozen=True)
class Benefit:
    """The net benefit per case of treating from probability ``at`` on, and of treating everyone (Vickers & Elkin, Med.
    Decis. Making 2006); treating nobody has none."""

    at: float
    model: float
    everyone: float


@dataclass(frozen=True)
class Answered:
    """The cases farthest from the threshold, as a share of all, and the share of them that is called wrongly; of the
    positive among them the share that is missed (``None`` if there is none)."""

    answered: float
    wrong: float
    missed: float | None


def decision_curve(counts: ScoreCounts) -> tuple[Benefit, ...]:
    """The net benefit at each of `PROBABILITIES`; empty without cases.

    Args:
        counts: of calibrated log odds.
    """
    if not counts.cases:
        return ()
    p, share = sigmoid(counts.scores), counts.positives.sum() / counts.cases
    found = []
    for at in PROBABILITIES:
        odds, called = at / (1 - at), p >= at
        benefit = (counts.positives[called].sum() - odds * counts.negatives[called].sum()) / counts.cases
        found.append(Benefit(at, float(benefit), float(share - odds * (1 - share))))
    return tuple(found)


def risk_coverage(counts: ScoreCounts, threshold: float) -> tuple[Answered, ...]:
    """What is wrong if a person looks at the cases nearest to the threshold, for about each of `SHARES` answered
    (Geifman & El-Yaniv, NeurIPS 2017); cases of one bin are answered together. Empty without cases."""
    if not counts.cases:
        return ()
    order = np.argsort(-np.abs(counts.scores - threshold), kind="stable")
    called = counts.scores[order] >= threshold
    negatives, positives = counts.negatives[order], counts.positives[order]
    answered, sick = np.cumsum(negatives + positives), np.cumsum(positives)
    missed = np.cumsum(np.where(called, 0, positives))
    wrong = missed + np.cumsum(np.where(called, negatives, 0))
    ends = np.unique([np.searchsorted(answered, share * counts.cases) for share in SHARES])
    return tuple(
        Answered(
            float(answered[end] / counts.cases),
            float(wrong[end] / answered[end]),
            float(missed[end] / sick[end]) if sick[end] else None,
        )
        for end in ends[ends < len(order)].tolist()
    )


@dataclass(frozen=True)
class Threshold:
    """A point of the ROC and of the precision-recall curve: cases from some score on are called positive."""

    false_positive_rate: float
    sensitivity: float
    precision: float


def roc(counts: ScoreCounts, points: int = 100) -> tuple[Threshold, ...]:
    """The ROC and precision-recall curves, at no more than ``points`` thresholds from the highest score on, evenly over
    cases; empty without cases of both sides."""
    if counts.one_sided:
        return ()
    true, false = np.cumsum(counts.positives[::-1]), np.cumsum(counts.negatives[::-1])
    ends = np.unique(np.searchsorted(true + false, np.linspace(0, counts.cases, points)))
    return tuple(
        Threshold(
            float(false[end] / false[-1]), float(true[end] / true[-1]), float(true[end] / (true[end] + false[end]))
        )
        for end in ends.tolist()
    )
