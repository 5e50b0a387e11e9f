"""Predictions as lines of a table: a line for each case, also for one that can't be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.client.prediction.predicting import Predictions

Line = dict[str, Any]
DECIDED = ("predicted", "set", "flag", "why")
"""Columns that stay empty until a model comes with decisions."""
_UNDECIDED = dict.fromkeys(DECIDED, "")
_DIGITS = 9


def lines_of(predictions: Predictions, places: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The lines: what says which case it is; ``reason``, empty if it can be used; for each class ``raw_CLASS`` and
    ``calibrated_CLASS``, its probability before and after calibration; or else the outputs (``log_hazard``); and
    `DECIDED`. Numbers are ``None`` where there are none.

    Args:
        places: for each case, the columns that say which it is.
    """
    names, values = _columns(predictions), iter(_values(predictions))
    nothing = [None] * len(names)
    found = []
    for place, reason in zip(places, predictions.reasons, strict=True):
        numbers = nothing if reason else next(values)
        found.append({**place, "reason": reason or "", **dict(zip(names, numbers, strict=True)), **_UNDECIDED})
    return found


def _columns(predictions: Predictions) -> list[str]:
    task = predictions.task
    if not task.has_probabilities:
        return [*task.output_names]
    return [f"{kind}_{name}" for kind in ("raw", "calibrated") for name in task.classes]


def _values(predictions: Predictions) -> list[list[float | None]]:
    """For each usable case, a number for each of the columns."""
    if not predictions.task.has_probabilities:
        return [[*row] for row in predictions.outputs.tolist()]
    raw = predictions.raw.tolist()
    after = [[None] * len(row) for row in raw] if predictions.calibrated is None else predictions.calibrated.tolist()
    return [[*row, *calibrated] for row, calibrated in zip(raw, after, strict=True)]


def as_text(line: Line) -> list[str]:
    """The cells of a line for a CSV file."""
    return [_cell(value) for value in line.values()]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
