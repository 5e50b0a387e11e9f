"""What a plan's task asks of each case, as yes, no or unknown: a class, a finding, an event."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.targets import EVENT, TIME, targets
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import DataSection

MOST_CLASSES = 30
_TRUTH = frozenset({"1", "0", "1.0", "0.0", "true", "false", "yes", "no", ""})
_SEX = re.compile(r"(patient)?[ _-]?(sex|gender)", re.IGNORECASE)
_SURVIVAL = DataSection("survival", (), None, "sites", 0.0, 0.0)


@dataclass(frozen=True)
class Outcome:
    """``of[i]``: whether case i has it; ``None`` = unknown."""

    name: str
    of: tuple[bool | None, ...]

    def count(self, having: bool | None, among: Iterable[int]) -> int:
        """How many of the cases at these positions have it, have it not, or are unknown."""
        return sum(self.of[at] is having for at in among)


def outcomes(cases: Sequence[Case], data: DataSection | None) -> tuple[Outcome, ...]:
    """One outcome per class or finding of the plan, or the event of a survival plan.

    Args:
        data: ``None`` without a plan: each label is then a class, if there are at most 30; without labels but with
            ``time`` and ``event`` columns, the event.
    """
    if data is not None and data.task != "classification":
        names = data.classes if data.task == "multilabel" else (TIME, EVENT)
        rows = [_target(case, data) for case in cases]
        found = tuple(Outcome(name, tuple(_known(row, at) for row in rows)) for at, name in enumerate(names))
        return found if data.task == "multilabel" else found[1:]
    labels = [case.label for case in cases]
    if data is not None:
        return tuple(Outcome(name, tuple(label == name for label in labels)) for name in data.classes)
    names = tuple(sorted({label for label in labels if label}))
    if not names and any(case.column(TIME) and case.column(EVENT) for case in cases):
        return outcomes(cases, _SURVIVAL)
    if len(names) > MOST_CLASSES:
        return ()
    return tuple(Outcome(name, tuple(label == name for label in labels)) for name in names)


def unreadable(cases: Sequence[Case], data: DataSection) -> list[int]:
    """Positions of the cases whose target a run can't use (`fedgraft.client.cohort.targets`)."""
    if data.task == "classification":
        return [position for position, case in enumerate(cases) if case.label not in data.classes]
    return [position for position, case in enumerate(cases) if _target(case, data) is None]


def absent_columns(cases: Sequence[Case], data: DataSection) -> tuple[str, ...]:
    """Columns that the plan's task reads and the manifest does not have."""
    wanted = {"multilabel": data.classes, "survival": (TIME, EVENT)}.get(data.task, ())
    return tuple(name for name in wanted if all(case.column(name) is None for case in cases))


def other_findings(cases: Sequence[Case], data: DataSection | None) -> frozenset[str]:
    """Columns beside a multilabel plan's findings that hold only yes, no or nothing, as theirs do."""
    if data is None or data.task != "multilabel" or not cases:
        return frozenset()
    names = [name for name, _ in cases[0].columns if name not in data.classes and not _SEX.fullmatch(name)]
    return frozenset(name for name in names if all((case.column(name) or "").lower() in _TRUTH for case in cases))


def target_columns(data: DataSection | None) -> frozenset[str]:
    """The manifest's columns that say what is predicted."""
    return frozenset({TIME, EVENT} if data is None or data.task == "survival" else data.classes)


def _target(case: Case, data: DataSection) -> Tensor | None:
    try:
        return targets([case], data)[0]
    except DataError:
        return None


def _known(row: Tensor | None, at: int) -> bool | None:
    """NaN is a finding that is not known."""
    return None if row is None or bool(row[at].isnan()) else bool(row[at] > 0)
