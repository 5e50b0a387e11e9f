"""What a plan's task asks of each case, as yes, no or unknown: a class, a finding, an event."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fedgraft.client.manifest import Case
from fedgraft.common.schema_data import Data

TIME, EVENT = "time", "event"
MOST_CLASSES = 30
_TRUTH = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True)
class Outcome:
    """``of[i]``: whether case i has it; ``None`` = unknown."""

    name: str
    of: tuple[bool | None, ...]


def outcomes(cases: Sequence[Case], data: Data | None) -> tuple[Outcome, ...]:
    """One outcome per class or finding of the plan, or the event of a survival plan.

    Args:
        data: ``None`` without a plan: each label is then a class, if there are at most 30; without labels but with
            ``time`` and ``event`` columns, the event.
    """
    if data is not None and data.task == "multilabel":
        return tuple(Outcome(name, _cells(cases, name)) for name in data.classes)
    if data is not None and data.task == "survival":
        return (Outcome(EVENT, _cells(cases, EVENT)),)
    labels = [case.label for case in cases]
    if data is not None:
        names = data.classes
    else:
        names = tuple(sorted({label for label in labels if label}))
        if not names and any(case.column(TIME) and case.column(EVENT) for case in cases):
            return (Outcome(EVENT, _cells(cases, EVENT)),)
    if len(names) > MOST_CLASSES and data is None:
        return ()
    return tuple(Outcome(name, tuple(label == name for label in labels)) for name in names)


def unreadable(cases: Sequence[Case], data: Data) -> list[int]:
    """Positions of the cases whose target the plan can't use: another label, a cell that is neither 1, 0 nor empty, a
    time that is not a positive number, an event that is unknown."""
    fine = _FINE[data.task]
    return [position for position, case in enumerate(cases) if not fine(case, data)]


def absent_columns(cases: Sequence[Case], data: Data) -> tuple[str, ...]:
    """Columns that the plan's task reads and the manifest does not have."""
    wanted = {"multilabel": data.classes, "survival": (TIME, EVENT)}.get(data.task, ())
    return tuple(name for name in wanted if all(case.column(name) is None for case in cases))


def target_columns(data: Data | None) -> frozenset[str]:
    """The manifest's columns that say what is predicted."""
    return frozenset({TIME, EVENT} if data is None or data.task == "survival" else data.classes)


def truth(cell: str | None) -> bool | None:
    """1, true, yes; 0, false, no; else unknown."""
    return None if cell is None else _TRUTH.get(cell.strip().lower())


def _cells(cases: Sequence[Case], column: str) -> tuple[bool | None, ...]:
    return tuple(truth(case.column(column)) for case in cases)


def _known_label(case: Case, data: Data) -> bool:
    return case.label in data.classes


def _readable_findings(case: Case, data: Data) -> bool:
    cells = [case.column(name) for name in data.classes]
    return all(cell is None or not cell.strip() or truth(cell) is not None for cell in cells)


def _readable_survival(case: Case, data: Data) -> bool:
    try:
        time = float(case.column(TIME) or "")
    except ValueError:
        return False
    return math.isfinite(time) and time > 0 and truth(case.column(EVENT)) is not None


_FINE: dict[str, Callable[[Case, Data], bool]] = {
    "classification": _known_label,
    "multilabel": _readable_findings,
    "survival": _readable_survival,
}
