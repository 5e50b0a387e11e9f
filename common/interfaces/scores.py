"""Scores: log odds of classes or findings. What a task tells of them, and how an evaluation counts them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


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


@dataclass(frozen=True)
class Answer:
    """One possible answer; the answers to one ``question`` exclude each other, and one of them is true.

    Attributes:
        question: what is asked: the name of a finding, or ``class``.
        name: the answer, as it is written into predictions.
        score: the place of its score among `Task.scored`.
        speaks_for: whether a high score speaks for the answer (or against it).
    """

    question: str
    name: str
    score: int
    speaks_for: bool

    def strangeness(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """How little scores ``(N,)`` speak for the answer, ``(N,)``: the log odds against it."""
        return -scores if self.speaks_for else scores

    def true(self, counts: ScoreCounts) -> NDArray[np.int64]:
        """Of each score of the answer's score counts, the cases of which the answer is true."""
        return counts.positives if self.speaks_for else counts.negatives


Calls = tuple[int, int, int, int]
"""Numbers of cases: true positives, false positives, true negatives, false negatives."""


@runtime_checkable
class TellsCalls(Protocol):
    """An evaluation that counts, besides scores, what the model itself answers: of each case, and never by groups."""

    def calls(self) -> tuple[Calls | None, ...]:
        """Of each of `Task.scored`, its cases by truth and by the call at log odds 0 (a probability of one half);
        ``None`` if the evaluation does not count that."""


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

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The possible answers about a case; of ``C`` classes one for each, in order; of each finding no and yes."""

    def scores(self, outputs: NDArray[np.floating]) -> NDArray[np.float64]:
        """The log odds of `scored` for each case, as an evaluation counts them: ``(N, outputs)`` -> ``(N, S)``."""

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probability of each class or finding, from log odds of `scored`: ``(N, S)`` -> ``(N, C)``.

        Raises:
            PlanError: the task has none.
        """


@runtime_checkable
class TorchScoring(Scoring, Protocol):
    """A task with probabilities whose scores are also there in torch: for gradients, and for files that other programs
    run."""

    def log_odds(self, outputs: Tensor) -> Tensor:
        """`scores` in torch: ``(N, outputs)`` -> ``(N, S)``, of the same type."""

    def shares(self, log_odds: Tensor) -> Tensor:
        """`probabilities` in torch: ``(N, S)`` -> ``(N, C)``, of the same type."""
