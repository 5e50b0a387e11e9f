"""A site's own predictions as they were written down: labels and log odds, case by case."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.app.own_predictions import PREDICTIONS, score_columns
from fedgraft.client.cohort.case import Case
from fedgraft.client.site.own_tensors import last_evaluated
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.plan.plan import Plan, from_json


@dataclass(frozen=True)
class OwnCases:
    """The cases of a site's last evaluation, ``N`` of them.

    Attributes:
        plan: that the model was trained by.
        shared: the digest of the model's shared tensors.
        names: pseudonyms.
        cases: with their labels, and nothing else.
        values: ``(N, S)`` float64: log odds of the scored classes or findings, or else the outputs.
    """

    plan: Plan
    shared: str
    splits: tuple[str, ...]
    names: tuple[str, ...]
    cases: tuple[Case, ...]
    values: NDArray[np.float64]

    @property
    def task(self) -> AnyTask:
        return tasks.of(self.plan.data)

    def of(self, split: str) -> list[int]:
        """Places of the cases of a split."""
        return [place for place, side in enumerate(self.splits) if side == split]

    def positive(self) -> NDArray[np.float64]:
        """``(N, S)``: 1 if a case has the class or finding, 0 if not, NaN if that is unknown."""
        of = {one.name: one.of for one in self.task.outcomes(self.cases)}
        known = [[np.nan if side is None else float(side) for side in of[name]] for name in self.task.scored]
        return np.array(known, np.float64).reshape(len(known), len(self.cases)).T

    def evaluation(self, among: Sequence[int]) -> Evaluation:
        """Of the cases at these places (at least one), for a task without probabilities."""
        labels = self.task.targets([self.cases[place] for place in among]).numpy()
        found: Evaluation = self.task.evaluate_parts(self.values[list(among)].astype(np.float32), labels, [len(among)])[
            0
        ]
        return found


def read_own_cases(site: SiteFile) -> OwnCases:
    """Read ``predictions.csv`` of a site's state folder, and the plan that it is of.

    Raises:
        DataError: there is none yet, or it is not of the plan that was evaluated last.
        PlanError: the plan is not in the state folder any more.
    """
    path, last = site.state / PREDICTIONS, last_evaluated(site.state)
    if last is None or not path.is_file():
        raise DataError(
            f"{site.state} holds no {PREDICTIONS}: this site has evaluated no model yet; a run with validation or test "
            "cases (data.val_fraction, data.test_fraction) writes it"
        )
    plan = _plan(site, last[0])
    task = tasks.of(plan.data)
    columns = score_columns(task)
    with path.open(newline="", encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    wanted = ("split", "case", *(("label",) if task.reads_label else ()), *task.manifest_columns, *columns)
    if not lines or tuple(lines[0]) != wanted or any(None in line.values() for line in lines):
        raise DataError(
            f"{path} is not of the plan that was evaluated last; take part in a run again, and it is replaced"
        )
    cases = tuple(_case(line, task) for line in lines)
    try:
        values = np.array([[float(line[name]) for name in columns] for line in lines])
    except ValueError:
        raise DataError(f"{path} is damaged: a score in it is no number") from None
    splits, names = (tuple(line[name] for line in lines) for name in ("split", "case"))
    return OwnCases(plan, last[1], splits, names, cases, values)


def _case(line: dict[str, str], task: AnyTask) -> Case:
    return Case("", line.get("label", ""), "", columns=tuple((name, line[name]) for name in task.manifest_columns))


def _plan(site: SiteFile, digest: str) -> Plan:
    file = site.state / "plans" / f"{digest}.json"
    try:
        return from_json(file.read_text(encoding="utf-8").partition("\n")[2])
    except OSError:
        raise PlanError(f"{file} can't be read: the plan of the last evaluation is not at this site any more") from None
