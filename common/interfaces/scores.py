"""Scores: log odds of classes or findings. What a task tells of them, and how an evaluation counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ScoreCounts:
    """The cases of an evaluation by score.

    Attributes:
        scores: ``(K,)`` float64, ascending: log odds, the centres of the filled bins.
        negatives, positives: ``(K,)`` int64: cases without and with the class or finding.
    """

    scores: NDArray[np.float64]
    negatives: NDArray[np.int64]
    positives: NDArray[np.int64]

    @property
    def cases(self) -> int:
        return int(self.negatives.sum() + self.positives.sum())

    @property
    def one_sided(self) -> bool:
        """Whether all cases are negative, or all are positive, or there is none."""
        return not (self.negatives.any() and self.positives.any())


class Scoring(Protocol):
    """The part of a `fedgraft.common.interfaces.task.Task` that is about scores and probabilities."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """What each of the network's outputs is of, as the heading of a column."""

    @property
    def scored(self) -> tuple[str, ...]:
        """The S classes or findings of which an evaluation counts scores; empty if the task has no probabilities."""

    @property
    def has_probabilities(self) -> bool:
        """Whether outputs tell the probability of each class or finding."""

    def scores(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """The log odds of `scored` for each case, as an evaluation counts them: ``(N, outputs)`` -> ``(N, S)``."""

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each class or finding, from log odds of `scored`: ``(N, S)`` -> ``(N, C)``.

        Raises:
            PlanError: the task has none.
        """
