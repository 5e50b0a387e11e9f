"""A task of one's own is a class and a line in `TASKS`: plans, losses, splits and partitions ask it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from fedgraft.client.check.outcomes import absent_columns, outcomes
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.splits import split
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.task import AnyTask, Labelled, Outcome
from fedgraft.common.tasks.classification import Classification
from fedgraft.simulations.datasets.source import Source
from fedgraft.simulations.federation.partition import dirichlet


@dataclass(frozen=True)
class Stages(Classification):
    """The class is a whole number in a column ``stage``, from 1."""

    name: ClassVar[str] = "stages"
    manifest_columns: ClassVar[tuple[str, ...]] = ("stage",)
    has_classes: ClassVar[bool] = False
    not_mixable: ClassVar[str] = "there is no half of a stage"

    @property
    def problem(self) -> str:
        return "" if len(self.classes) == 4 else "data.classes must name four stages"

    def targets(self, cases: Sequence[Labelled]) -> Tensor:
        return torch.tensor([int(case.column("stage") or 1) - 1 for case in cases])

    def has(self, case: Labelled) -> tuple[str, ...]:
        return (case.column("stage") or "",)

    def strata(self, units: Mapping[str, Sequence[Labelled]]) -> dict[str, str]:
        return {name: max(self.has(case)[0] for case in cases) for name, cases in units.items()}

    def outcomes(self, cases: Sequence[Labelled]) -> tuple[Outcome, ...]:
        late = tuple((case.column("stage") or "") > "2" for case in cases)
        return (Outcome("late", late),)


FOUR = ("I", "II", "III", "IV")
CASES = tuple(Case("/t.csv", "", f"p{i}", row=i, columns=(("stage", str(i % 4 + 1)),)) for i in range(80))


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch) -> AnyTask:
    monkeypatch.setattr(tasks, "TASKS", MappingProxyType({**tasks.TASKS, "stages": Stages}))
    return Stages(FOUR)


def test_a_plan_can_name_it(task: AnyTask, plan_of: Any) -> None:
    data = replace(plan_of().data, task="stages", classes=FOUR)
    assert (tasks.of(data), data.outputs) == (task, 4)


def test_what_it_says_of_itself_decides_what_a_plan_may_say(task: AnyTask, plan_of: Any) -> None:
    with pytest.raises(PlanError) as caught:
        plan_of("data.task=stages", "data.classes=[I,II]", "loss.weights=global", "augment.mixup=0.2")
    assert set(caught.value.problems) >= {
        "data.classes must name four stages",
        "loss.weights has no effect with data.task=stages, which has no classes; set it to none",
        "augment.mixup has no meaning with data.task=stages: there is no half of a stage; set it to 0",
    }


def test_a_task_that_is_not_there_is_said(plan_of: Any) -> None:
    with pytest.raises(PlanError, match=r"data.task='stages': input should be 'classification', 'multilabel' or 'surv"):
        plan_of("data.task=stages")


def test_a_loss_is_for_the_tasks_that_it_names(task: AnyTask, plan_of: Any) -> None:
    with pytest.raises(PlanError, match=r"loss=focal is for data.task=classification, not stages; set loss=cross_ent"):
        plan_of("data.task=stages", "data.classes=[I,II,III,IV]", "loss=focal", "loss.weights=none")


def test_splits_and_partitions_go_by_its_strata(task: AnyTask) -> None:
    parts = split(CASES, val_fraction=0.1, test_fraction=0.25, seed=0, task=task)
    assert {name: task.count(task.targets(some)) for name, some in parts.items()} == {
        "train": (13, 13, 13, 13),
        "val": (2, 2, 2, 2),
        "test": (5, 5, 5, 5),
    }
    sites = dirichlet(Source(CASES), sites=2, alpha=1e-3, seed=1, min_cases=10, task=task)
    assert all(count in (0, 20) for some in sites.values() for count in task.count(task.targets(some)))


def test_the_check_of_a_site_says_its_outcomes(task: AnyTask) -> None:
    assert outcomes(CASES[:4], task) == (Outcome("late", (False, False, True, True)),)
    assert absent_columns([Case("/t.csv", "", "p")], task) == ("stage",)
