"""What the plan's task wants to know of each case, as a tensor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from fedgraft.client.cohort.case import Case, truth
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import DataSection

TIME, EVENT = "time", "event"


def targets(cases: Sequence[Case], data: DataSection) -> Tensor:
    """The label of each case.

    A finding, and an event, is 1 or 0 (also true or false, yes or no, 1.0 or 0.0, in any case of letters). A finding
    that is empty is unknown. A time is a number above 0, in a unit that all sites share.

    Returns:
        classification: ``(N,)`` int64; multilabel: ``(N, C)`` float32 in 0, 1 and NaN (unknown); survival: ``(N, 2)``
        float32, time and event.

    Raises:
        DataError: a label is not a class of the plan, a column is missing, or a cell is not what it must be; says how
            many cases are wrong, never what they hold.
    """
    return _OF_TASK[data.task](cases, data)


def _classes(cases: Sequence[Case], data: DataSection) -> Tensor:
    index = {name: number for number, name in enumerate(data.classes)}
    strange = sum(case.label not in index for case in cases)
    if strange:
        raise DataError(f"{strange} case(s) have a label that is not in data.classes: {', '.join(data.classes)}")
    return torch.tensor([index[case.label] for case in cases], dtype=torch.int64)


def _findings(cases: Sequence[Case], data: DataSection) -> Tensor:
    rows = _cells(cases, data.classes, data.task)
    values = [[math.nan if cell == "" else _truth(cell) for cell in row] for row in rows]
    strange = [any(value is None for value in row) for row in values]
    if any(strange):
        raise DataError(
            f"{sum(strange)} case(s) have a finding that is not 1, 0 (or true/false, yes/no), or empty for unknown"
        )
    return torch.tensor(values, dtype=torch.float32).reshape(len(cases), len(data.classes))


def _survival(cases: Sequence[Case], data: DataSection) -> Tensor:
    rows = _cells(cases, (TIME, EVENT), data.task)
    times, events = [_time(time) for time, _ in rows], [_truth(event) for _, event in rows]
    for name, values, what in (
        (TIME, times, "a finite number above 0"),
        (EVENT, events, "1 or 0 (or true/false, yes/no)"),
    ):
        if None in values:
            raise DataError(f"{values.count(None)} case(s) have a `{name}` that is not {what}")
    return torch.tensor([times, events], dtype=torch.float32).T.reshape(len(cases), 2).contiguous()


def _cells(cases: Sequence[Case], names: Sequence[str], task: str) -> list[list[str]]:
    """The cells of some columns, by case, without space around them."""
    held = [dict(case.columns) for case in cases]
    missing = [name for name in names if any(name not in row for row in held)]
    if missing:
        raise DataError(f"the manifest lacks the column(s) {', '.join(missing)}, which data.task={task} needs")
    return [[row[name].strip() for name in names] for row in held]


def _truth(cell: str) -> float | None:
    found = truth(cell)
    return None if found is None else float(found)


def _time(cell: str) -> float | None:
    """A number that float32 holds too."""
    try:
        time = float(torch.tensor(float(cell), dtype=torch.float32))
    except ValueError:
        return None
    return time if math.isfinite(time) and time > 0 else None


_OF_TASK: Mapping[str, Callable[[Sequence[Case], DataSection], Tensor]] = MappingProxyType(
    {"classification": _classes, "multilabel": _findings, "survival": _survival}
)
