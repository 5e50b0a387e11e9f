"""Which cases a person must look at, and why: sets with more or less than one answer, and scores near a threshold."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.common.decisions.counts import Floats
from fedgraft.common.interfaces.scores import Answer


def reasons(
    answers: Sequence[Answer],
    sets: NDArray[Any],
    near: Floats | None = None,
    margin: float = 0.0,
    without: Collection[str] = (),
) -> list[tuple[str, ...]]:
    """For each case the reasons why it must be looked at, in words; empty if there is none.

    Args:
        sets: ``(N, A)`` bool, as `fedgraft.common.decisions.decisions.Decisions.sets` gives them.
        near: ``(N, S)``, how far the probability of each scored class is from that at its threshold (NaN without one).
        margin: below which that is too near.
        without: questions that have no sets.
    """
    questions = list(dict.fromkeys(answer.question for answer in answers))
    found: list[list[str]] = [[] for _ in range(len(sets))]
    for question in [one for one in questions if one not in without]:
        places = [place for place, answer in enumerate(answers) if answer.question == question]
        about = f"{question}: " if len(questions) > 1 else ""
        for case, members in enumerate(sets[:, places]):
            if members.sum() != 1:
                named = [answers[place].name for place, there in zip(places, members, strict=True) if there]
                found[case].append(about + (f"could be {' or '.join(named)}" if named else "no answer fits"))
    if near is not None:
        for case in np.flatnonzero((near < margin).any(axis=1)).tolist():
            found[case].append("close to the threshold")
    return [tuple(each) for each in found]


def named(answers: Sequence[Answer], members: NDArray[Any], without: Collection[str] = ()) -> str:
    """The answers of one case's set, as they are written into predictions: ``benign|malignant``, ``edema=yes|no``;
    nothing of the questions ``without``."""
    questions = list(dict.fromkeys(answer.question for answer in answers))
    texts = []
    for question in [one for one in questions if one not in without]:
        held = [one.name for one, there in zip(answers, members, strict=True) if there and one.question == question]
        texts.append(("" if len(questions) == 1 else f"{question}=") + "|".join(held))
    return "; ".join(texts)
