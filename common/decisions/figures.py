"""How good decisions are on test cases: figures at a threshold with intervals, and what sets of answers hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import scipy  # its rooms are loaded when first used

from fedgraft.common.interfaces.scores import Answer, ScoreCounts
from fedgraft.common.tasks.intervals import wilson

LEVEL = 0.99


@dataclass(frozen=True)
class AtThreshold:
    """Cases by truth and call, at a threshold."""

    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int

    def figures(self, odds: float | None = None) -> dict[str, Any]:
        """Sensitivity, specificity, PPV and NPV, each with its 95 % Wilson interval; ``None`` without cases of it.

        Args:
            odds: what a false alarm costs, in missed positives: for the net benefit (Vickers & Elkin, Med. Decis.
                Making 2006), per case.
        """
        shares = {
            "sensitivity": (self.true_positives, self.true_positives + self.false_negatives),
            "specificity": (self.true_negatives, self.true_negatives + self.false_positives),
            "ppv": (self.true_positives, self.true_positives + self.false_positives),
            "npv": (self.true_negatives, self.true_negatives + self.false_negatives),
        }
        found: dict[str, Any] = {name: with_interval(*share) for name, share in shares.items()}
        cases = sum((self.true_positives, self.false_positives, self.true_negatives, self.false_negatives))
        if odds is not None and cases:
            found["net_benefit"] = round((self.true_positives - odds * self.false_positives) / cases, 6)
        return found


def at_threshold(counts: ScoreCounts, threshold: float) -> AtThreshold:
    """Cases whose score is at least ``threshold`` are called positive."""
    called = counts.scores >= threshold
    positives, negatives = counts.positives, counts.negatives
    return AtThreshold(
        int(positives[called].sum()),
        int(negatives[called].sum()),
        int(negatives[~called].sum()),
        int(positives[~called].sum()),
    )


def summed(each: Sequence[AtThreshold]) -> AtThreshold:
    """The cases of all parts, each called by its own threshold; of one part or more."""
    return AtThreshold(*(sum(column) for column in zip(*map(astuple, each), strict=True)))


def with_interval(part: int, whole: int) -> dict[str, Any] | None:
    """A share with its number of cases and its 95 % Wilson interval; ``None`` of no cases."""
    if not whole:
        return None
    low, high = wilson(part, whole)
    return {"value": round(part / whole, 6), "low": round(low, 6), "high": round(high, 6), "cases": whole}


@dataclass(frozen=True)
class Held:
    """What sets of answers held on test cases: of ``cases`` with that true answer, ``covered`` have it in their set."""

    cases: int
    covered: int

    def figures(self, calibration: float | None, miss: float) -> dict[str, Any]:
        """The coverage with the interval in which it lies in 99 of 100 test sets if the promise holds, if cases of
        the number ``calibration`` made the bound (Angelopoulos & Bates 2023, section 3.2); ``None`` without cases."""
        if not self.cases:
            return {"cases": 0, "coverage": None, "expected": None}
        found: dict[str, Any] = {"cases": self.cases, "coverage": round(self.covered / self.cases, 6), "expected": None}
        beyond = 0 if calibration is None else math.floor((calibration + 1) * miss + 1e-9)
        if calibration is not None and beyond:
            spread = scipy.stats.betabinom(self.cases, calibration + 1 - beyond, beyond)
            ends = spread.ppf([(1 - LEVEL) / 2, (1 + LEVEL) / 2]) / self.cases
            found["expected"] = [round(float(end), 6) for end in ends]
        return found


def held(answers: Sequence[Answer], limits: Sequence[float], counts: Sequence[ScoreCounts]) -> list[Held]:
    """What the sets of cases held, by answer.

    Args:
        limits: by answer; infinite: it is in every set.
        counts: of test cases, by scored class.
    """
    found = []
    for answer, limit in zip(answers, limits, strict=True):
        here = counts[answer.score]
        true, there = answer.true(here), answer.strangeness(here.scores) <= limit
        found.append(Held(int(true.sum()), int(true[there].sum())))
    return found


def mean_size(answers: Sequence[Answer], limits: Sequence[float], counts: Sequence[ScoreCounts]) -> float | None:
    """The mean number of answers in a set, over questions and cases; ``None`` without cases."""
    inside = total = 0
    for answer, limit in zip(answers, limits, strict=True):
        here = counts[answer.score]
        every = here.negatives + here.positives
        inside += int(every[answer.strangeness(here.scores) <= limit].sum())
        total += int(every.sum())
    questions = len({answer.question for answer in answers})
    return inside * len(answers) / (total * questions) if total else None
