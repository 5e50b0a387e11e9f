"""Which of a model's scores is explained for a case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.scores import TorchScoring
from fedgraft.common.interfaces.task import AnyTask


@dataclass(frozen=True)
class Target:
    """A score of one case.

    Attributes:
        name: of the answer (or, of a task without probabilities, of the output).
        probability: of the answer; ``None`` if the task has none.
        place: of the score among the task's (or of the output among the network's).
        sign: -1 if a low score speaks for the answer.
        task: gives scores; ``None`` if outputs are explained as they are.
    """

    name: str
    probability: float | None
    place: int
    sign: float
    task: TorchScoring | None

    def score(self, outputs: Tensor) -> Tensor:
        """How much speaks for the answer: its log odds, or the output; ``(N, outputs)`` -> ``(N,)``."""
        scores = outputs if self.task is None else self.task.log_odds(outputs)
        return self.sign * scores[:, self.place]

    def __str__(self) -> str:
        return self.name if self.probability is None else f"{self.name}  {self.probability:.3g}"


def targets_of(
    task: AnyTask, probabilities: NDArray[np.float64] | None, cases: int, predicted: Sequence[str] = ()
) -> list[Target]:
    """The score to explain of each case: that of the predicted class, or else of the most probable one; of findings,
    that of the most probable one being there; or the first output.

    Args:
        probabilities: ``(cases, C)``.
        predicted: the answer that was decided on, by case; empty if there are no decisions.
    """
    if probabilities is None or not isinstance(task, TorchScoring):
        return [Target(task.output_names[0].replace("_", " "), None, 0, 1.0, None)] * cases
    one_question = len({answer.question for answer in task.answers}) == 1
    answers = [answer for answer in task.answers if one_question or answer.speaks_for]
    names: Sequence[str] = [answer.name if one_question else answer.question for answer in answers]
    found = []
    for place, row in enumerate(probabilities):
        decided = predicted[place] if one_question and predicted else ""
        best = names.index(decided) if decided in names else int(row.argmax())
        sign = 1.0 if answers[best].speaks_for else -1.0
        found.append(Target(names[best], float(row[best]), answers[best].score, sign, task))
    return found
