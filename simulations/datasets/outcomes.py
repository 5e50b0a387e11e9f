"""Check that the cases of a user's own manifest have the outcomes of the plan's task; messages name the line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import named_lines
from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.interfaces.task import AnyTask, Cell
from fedgraft.common.plan.data_sections import TaskName
from fedgraft.common.tasks.cells import alike_columns
from fedgraft.simulations.datasets.columns import nearest


def check_outcomes(
    where: Path, cases: Sequence[Case], task: TaskName, classes: Sequence[str] | None, called: Mapping[str, str]
) -> None:
    """Check every case's outcome.

    Args:
        classes: the plan's classes; ``None`` if they are yet to be found.
        called: the file's own name of each column whose name differs from docs/cohort.md.

    Raises:
        DataError: a column is missing, or a cell is not what the task needs.
    """
    chosen = tasks.TASKS[task](tuple(classes or ()))
    if chosen.reads_label and not all(case.label for case in cases):
        raise DataError(f"{where} has no column `label`, which data.task={task} needs")
    for cell in chosen.cells():
        is_label = chosen.reads_label and cell.column == "label"
        if not is_label and cases[0].column(cell.column) is None:
            raise DataError(f"{where} has no column `{cell.column}`{_instead(chosen, cell, cases)}")
        held = [case.label if is_label else (case.column(cell.column) or "").strip() for case in cases]
        strange = [line for line, one in enumerate(held, start=2) if not cell.fits(one)]
        if strange:
            name = called.get(cell.column, cell.column)
            raise DataError(f"{where}: {_unfit(cell, name, strange, len(cases), held[strange[0] - 2])}")


def _instead(task: AnyTask, cell: Cell, cases: Sequence[Case]) -> str:
    alike, near = alike_columns(task, cases), nearest(cell.column, [name for name, _ in cases[0].columns])
    why = "data.classes names as a finding" if cell.column in task.classes else f"data.task={task.name} needs"
    could = f"; columns that could be one: {', '.join(alike)}" if alike else ""
    return f", which {why}{could}{f'; did you mean `{near}`?' if near else ''}"


def _unfit(cell: Cell, name: str, lines: Sequence[int], cases: int, first: str) -> str:
    where = f"in {len(lines)} of {cases} lines ({named_lines(lines)})"
    if not cell.words:
        return f"`{name}` is not {cell.what} {where}; correct it, or delete the lines"
    near = nearest(first, cell.words)
    return (
        f"`{name}` is no class of data.classes=[{','.join(cell.words)}] {where}; the first says `{first}`"
        f"{f' (is it {near}?)' if near else ''}. Correct it, or add it to data.classes"
    )
