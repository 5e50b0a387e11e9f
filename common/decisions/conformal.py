"""Split conformal prediction from score counts: bounds on how strange an answer may be and still be in the set.

An answer is in the set of a case if the log odds against it are at most its bound. With the bound of `bound`, the true
answer is left out of at most a share ``miss`` of new cases, whatever the model and the data, if these are exchangeable
with the calibration cases (Vovk et al. 2005; Angelopoulos & Bates, Found. Trends Mach. Learn. 2023, section 1). With a
bound for each answer that holds among the cases of which that answer is true (Mondrian sets), so that at most ``miss``
of the sick are called healthy only: control of that risk (Angelopoulos et al., ICLR 2024, section 2.1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from fedgraft.common.decisions.counts import Floats, Weighed
from fedgraft.common.interfaces.scores import Answer, ScoreCounts
from fedgraft.common.tasks.metrics import edges


def bounds(answers: Sequence[Answer], counts: Sequence[Weighed], miss: float, by_answer: bool) -> tuple[float, ...]:
    """The bound of each answer.

    Args:
        counts: by scored class, of calibration cases.
        miss: the share of cases of which the true answer may be left out, between 0 and 1.
        by_answer: whether that holds among the cases of each answer, or over all cases of a question together.
    """
    found = []
    for answer in answers:
        alike = [one for one in answers if one.question == answer.question and (one is answer or not by_answer)]
        parts = [_true(one, counts[one.score]) for one in alike]
        strangeness, weights = (np.concatenate(column) for column in zip(*parts, strict=True))
        found.append(bound(strangeness, weights, miss))
    return tuple(found)


def bound(strangeness: Floats, weights: Floats, miss: float) -> float:
    """The smallest bound beyond which at most ``miss`` of the calibration cases and the new one lie:
    ``(weight beyond + 1) / (weight + 1) <= miss``; infinite if there are too few cases to promise that.

    With cases of weight 1 it is the ``ceil((n + 1) (1 - miss))``-th smallest.

    Args:
        strangeness: ``(K,)``, in any order, of calibration cases with their true answer.
        weights: ``(K,)``, of these cases.
    """
    order = np.argsort(strangeness)
    values, held = strangeness[order], np.cumsum(weights[order])
    total = float(held[-1]) if len(held) else 0.0
    needed = (total + 1) * (1 - miss)  # of the weight below the bound
    enough = np.flatnonzero(held >= needed - 1e-9)
    return float(values[enough[0]]) if len(enough) else math.inf


def whole_groups(counts: ScoreCounts, least: int) -> ScoreCounts:
    """Cases told by groups of neighbours (`fedgraft.common.merged_bins`), each at the end of its group where its true
    answer is strangest: positives at the lowest score of the group, negatives at the highest.

    Within a group nobody knows where a case is. Groups are spread evenly over bins, which are narrow about log odds of
    0, so that a case that lies far from there may be told next to it: cases of a group that reaches over 0 are put at
    the end of the next group. Bounds from cases as they are told held the true answer too seldom (docs/trust.md).

    Args:
        counts: of one site, as it told them.
        least: the fewest cases of a group; 0 if each case was told by itself.
    """
    cases = counts.negatives + counts.positives
    total, ends = int(cases.sum()), np.cumsum(cases)
    if not least or not total:
        return counts
    groups = max(1, total // least)  # what is left at the end belongs to the last one
    first = np.searchsorted(ends, np.arange(groups) * least, side="right")
    last = np.append(np.searchsorted(ends, np.arange(1, groups) * least - 1, side="right"), len(cases) - 1)
    over = (counts.scores[first] < 0) & (counts.scores[last] > 0)
    low, high = (
        np.where(over, np.append(first[:1], first[:-1]), first),
        np.where(over, np.append(last[1:], last[-1:]), last),
    )
    positives, negatives = np.zeros_like(counts.positives), np.zeros_like(counts.negatives)
    np.add.at(positives, low[np.minimum((ends - cases) // least, groups - 1)], counts.positives)
    np.add.at(negatives, high[np.minimum((ends - 1) // least, groups - 1)], counts.negatives)
    return ScoreCounts(counts.scores, negatives, positives)


def inside(answers: Sequence[Answer], limits: Sequence[float], scores: Floats) -> np.ndarray:
    """Which answers are in the set of each case: scores ``(N, S)`` -> ``(N, A)`` bool."""
    found = [
        answer.strangeness(scores[:, answer.score]) <= limit for answer, limit in zip(answers, limits, strict=True)
    ]
    return np.stack(found, axis=1)


def _true(answer: Answer, counts: Weighed) -> tuple[Floats, Floats]:
    """Strangeness and weight of the cases of which the answer is true; each as strange as its bin allows."""
    low, high = edges(counts.scores)
    weights = counts.positives if answer.speaks_for else counts.negatives
    there = weights > 0
    return answer.strangeness(low if answer.speaks_for else high)[there], weights[there]
