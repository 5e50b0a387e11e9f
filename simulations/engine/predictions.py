"""The predictions that a simulated site wrote down of its test cases (`fedgraft.client.app.own_predictions`): scores
case by case, by which two models can be compared on the same cases. Only a simulation has them of all sites."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.app.own_predictions import PREDICTIONS
from fedgraft.client.cohort.case import Case
from fedgraft.common.interfaces.task import AnyTask

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CaseScores:
    """``scores``, ``truth``: ``(N, S)`` float64, in the order of the site's test cases: log odds of each scored class
    or finding, and whether the case has it (1, 0; ``nan`` if unknown)."""

    scores: Floats
    truth: Floats


def read_scores(state: Path, task: AnyTask) -> CaseScores | None:
    """The scores of the test cases of a site; ``None`` if it wrote none.

    Args:
        state: the site's state folder.
    """
    path = state / PREDICTIONS
    if not task.scored or not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8") as stream:
        lines = [line for line in csv.DictReader(stream) if line["split"] == "test"]
    if not lines:
        return None
    columns = [f"log_odds_{name}" for name in task.scored]
    scores = np.array([[float(line[name]) for name in columns] for line in lines])
    labels = [
        Case("", line.get("label", ""), "", columns=tuple((name, line[name]) for name in task.manifest_columns))
        for line in lines
    ]
    outcomes = {one.name: one.of for one in task.outcomes(labels)}
    truth = [[np.nan if of is None else float(of) for of in outcomes[name]] for name in task.scored]
    return CaseScores(scores, np.array(truth).T)


def joined(parts: list[CaseScores]) -> CaseScores:
    """The scores of all cases of the parts (folds), one after another."""
    return CaseScores(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "truth")))
