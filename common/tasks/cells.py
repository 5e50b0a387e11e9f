"""Read labels from a manifest's cells: the cells of the columns that a task needs, and what can be told from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from torch import Tensor

from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.task import AnyTask, Labelled
from fedgraft.common.truth import truth


def number_of_truth(cell: str) -> float | None:
    """`truth` as 1.0 or 0.0."""
    found = truth(cell)
    return None if found is None else float(found)


def cells_of(
    cases: Sequence[Labelled], names: Sequence[str], task: str, may_be_unmarked: bool = False
) -> list[list[str]]:
    """The stripped cells of some columns, by case.

    Args:
        may_be_unmarked: whether a column can be left out by name (``unmarked`` in ``site.yaml``).

    Raises:
        DataError: a case lacks one of the columns.
    """
    held = [dict(case.columns) for case in cases]
    missing = [name for name in names if any(name not in row for row in held)]
    if missing:
        findings = (
            "; name them under `unmarked` in site.yaml if nobody marks them here, or your own words under `terms`"
        )
        hint = findings if may_be_unmarked else ""
        raise DataError(f"the manifest lacks the column(s) {', '.join(missing)}, which data.task={task} needs{hint}")
    return [[row[name].strip() for name in names] for row in held]


def targets_by_case(task: AnyTask, cases: Sequence[Labelled]) -> list[Tensor | None]:
    """Each case's row of `Task.targets`; ``None`` if its labels can't be read."""
    return [_targets(task, case) for case in cases]


def unreadable(task: AnyTask, cases: Sequence[Labelled]) -> list[int]:
    """The indices of the cases whose labels `Task.targets` can't read."""
    return [position for position, row in enumerate(targets_by_case(task, cases)) if row is None]


def _targets(task: AnyTask, case: Labelled) -> Tensor | None:
    try:
        return task.targets([case])[0]
    except DataError:
        return None


def alike_columns(task: AnyTask, cases: Sequence[Labelled]) -> list[str]:
    """The names of columns that the task could predict, judged by their cells; empty columns are left out."""
    columns = {name: {case.columns[place][1] for case in cases} for place, (name, _) in enumerate(cases[0].columns)}
    return [name for name, cells in columns.items() if cells != {""} and task.resembles_outcome(sorted(cells))]


def label_counts(cases: Sequence[Labelled]) -> dict[str, int]:
    """The labels of cases with their numbers: in the order of numbers if all are numbers, else of the alphabet.

    Raises:
        DataError: there is one only.
    """
    counts = Counter(case.label for case in cases)
    if len(counts) < 2:
        raise DataError(
            f"all {len(cases)} cases have the label `{next(iter(counts), '')}`; there is nothing to tell apart. Name "
            "another column (data.label)"
        )
    return {label: counts[label] for label in sorted(counts, key=_number_or_word)}


def _number_or_word(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
