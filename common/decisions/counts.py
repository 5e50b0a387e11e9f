"""Score counts of a site mixed with those of all sites, which then weigh as much as a number of cases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.interfaces.scores import ScoreCounts

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weighed:
    """Cases by score, of any weight.

    Attributes:
        scores: ``(K,)`` float64, ascending.
        negatives, positives: ``(K,)`` float64: summed weights of the cases without and with the class or finding.
    """

    scores: Floats
    negatives: Floats
    positives: Floats


def mixed(own: ScoreCounts | None, pooled: ScoreCounts, cases: float | None) -> Weighed:
    """A site's own cases, each with weight 1, and the pooled ones, which weigh ``cases`` on each side (negatives,
    positives) together.

    Args:
        own: ``None`` if the site told none.
        cases: ``None`` for the pooled ones alone, each with weight 1.
    """
    if cases is None or own is None:
        return Weighed(pooled.scores, pooled.negatives.astype(float), pooled.positives.astype(float))
    scores = np.union1d(own.scores, pooled.scores)
    negatives, positives = np.zeros(len(scores)), np.zeros(len(scores))
    at = np.searchsorted(scores, own.scores)
    negatives[at] += own.negatives
    positives[at] += own.positives
    at = np.searchsorted(scores, pooled.scores)
    negatives[at] += _weighing(pooled.negatives, cases)
    positives[at] += _weighing(pooled.positives, cases)
    return Weighed(scores, negatives, positives)


def _weighing(counts: NDArray[np.int64], cases: float) -> Floats:
    total = counts.sum()
    return counts * (cases / total) if total else counts.astype(float)
