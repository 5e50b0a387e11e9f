"""Whether the cases of a person's own manifest have what the plan's task predicts; a message names the line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import named_lines
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import TaskName
from fedgraft.common.tasks.cells import truth
from fedgraft.simulations.datasets.columns import nearest

MOST_CLASSES = 50


def check_outcomes(
    where: Path, cases: Sequence[Case], task: TaskName, classes: Sequence[str] | None, called: Mapping[str, str]
) -> None:
    """
    Args:
        classes: of the plan; ``None`` if they are still to be found.
        called: what the file calls the columns that it calls otherwise.

    Raises:
        DataError: a label is no class, a finding or an event is not yes or no, a time is no number above 0, or a
            finding has no column.
    """
    if task == "classification":
        if not all(case.label for case in cases):
            raise DataError(f"{where} has no column `label`, which data.task=classification needs")
        if classes is not None:
            _check_labels(where, cases, classes, called.get("label", "label"))
    elif task == "multilabel":
        _check_findings(where, cases, classes or ())
    else:
        _check_cells(where, cases, "time", called, _is_time, "a finite number above 0")
        _check_cells(where, cases, "event", called, lambda cell: truth(cell) is not None, "1 or 0")


def found_classes(cases: Sequence[Case]) -> dict[str, int]:
    """The labels of cases with their numbers: in the order of numbers if all are numbers, else of the alphabet.

    Raises:
        DataError: there is one only, or so many that the column can't be a class.
    """
    counts = Counter(case.label for case in cases)
    if len(counts) < 2:
        raise DataError(
            f"all {len(cases)} cases have the label `{next(iter(counts), '')}`; there is nothing to tell apart. Name "
            "another column (data.label)"
        )
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"the labels have {len(counts)} different values, more than {MOST_CLASSES}: is it the right column "
            "(data.label)? To have so many classes, list them in data.classes. A number can't be predicted, except the "
            "time to an event (data.task=survival)"
        )
    return {label: counts[label] for label in sorted(counts, key=_number_or_word)}


def findings(cases: Sequence[Case]) -> list[str]:
    """Columns of which every cell is 1, 0 (or true, false, yes, no) or empty, and some are known."""
    names = [name for name, _ in cases[0].columns]
    columns = {name: {case.columns[place][1] for case in cases} for place, name in enumerate(names)}
    return [
        name
        for name, cells in columns.items()
        if cells != {""} and all(cell == "" or truth(cell) is not None for cell in cells)
    ]


def _check_labels(where: Path, cases: Sequence[Case], classes: Sequence[str], column: str) -> None:
    strange = [line for line, case in enumerate(cases, start=2) if case.label not in classes]
    if strange:
        word = cases[strange[0] - 2].label
        near = nearest(word, classes)
        meant = f" (is it {near}?)" if near else ""
        raise DataError(
            f"{where}: `{column}` is no class of data.classes=[{','.join(classes)}] in {len(strange)} of {len(cases)} "
            f"lines ({named_lines(strange)}); the first says `{word}`{meant}. Correct it, or add it to data.classes"
        )


def _check_findings(where: Path, cases: Sequence[Case], classes: Sequence[str]) -> None:
    there = [name for name, _ in cases[0].columns]
    for name in classes:
        if name not in there:
            near = nearest(name, there)
            meant = f"; did you mean `{near}`?" if near else ""
            raise DataError(
                f"{where} has no column `{name}`, which data.classes names as a finding; columns that could be one: "
                f"{', '.join(findings(cases)) or 'none'}{meant}"
            )
        _check_cells(
            where, cases, name, {}, lambda cell: cell == "" or truth(cell) is not None, "1, 0, or empty for unknown"
        )


def _check_cells(
    where: Path, cases: Sequence[Case], name: str, called: Mapping[str, str], fits: Callable[[str], bool], what: str
) -> None:
    strange = [line for line, case in enumerate(cases, start=2) if not fits(case.column(name) or "")]
    if strange:
        raise DataError(
            f"{where}: `{called.get(name, name)}` is not {what} in {len(strange)} of {len(cases)} lines "
            f"({named_lines(strange)}); correct it, or delete the lines"
        )


def _is_time(cell: str) -> bool:
    try:
        return 0 < float(cell) < math.inf
    except ValueError:
        return False


def _number_or_word(label: str) -> tuple[int, float, str]:
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label
