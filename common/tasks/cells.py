"""What a manifest's cells say of labels: words for yes and no, and the cells of the columns that a task reads."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.task import AnyTask, Labelled

_YES, _NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})


def truth(cell: str) -> bool | None:
    """What a cell says, in any case of letters; ``None`` if it is none of the words."""
    word = cell.strip().lower()
    return True if word in _YES else False if word in _NO else None


def number_of_truth(cell: str) -> float | None:
    """`truth` as 1.0 or 0.0."""
    found = truth(cell)
    return None if found is None else float(found)


def cells_of(cases: Sequence[Labelled], names: Sequence[str], task: str) -> list[list[str]]:
    """The cells of some columns, by case, without space around them.

    Raises:
        DataError: a case lacks one of the columns.
    """
    held = [dict(case.columns) for case in cases]
    missing = [name for name in names if any(name not in row for row in held)]
    if missing:
        raise DataError(f"the manifest lacks the column(s) {', '.join(missing)}, which data.task={task} needs")
    return [[row[name].strip() for name in names] for row in held]


def targets_by_case(task: AnyTask, cases: Sequence[Labelled]) -> list[Tensor | None]:
    """The row of `Task.targets` of each case by itself; ``None`` where it refuses the case."""
    return [_targets(task, case) for case in cases]


def unreadable(task: AnyTask, cases: Sequence[Labelled]) -> list[int]:
    """The positions of the cases that `Task.targets` refuses."""
    return [position for position, row in enumerate(targets_by_case(task, cases)) if row is None]


def _targets(task: AnyTask, case: Labelled) -> Tensor | None:
    try:
        return task.targets([case])[0]
    except DataError:
        return None
