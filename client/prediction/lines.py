"""Predictions as lines of a table: a line for each case, also for one that can't be used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.client.prediction.predicting import Predictions

Line = dict[str, Any]
DECIDED = ("predicted", "set", "flag", "why")
"""Columns that stay empty until a model comes with decisions."""
_DIGITS = 9


def lines_of(predictions: Predictions, places: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The lines: what says which case it is; ``reason``, empty if it can be used; for each class ``raw_CLASS`` and
    ``calibrated_CLASS``, its probability before and after calibration; or else the outputs (``log_hazard``); and
    `DECIDED`. Numbers are ``None`` where there are none.

    Args:
        places: for each case, the columns that say which it is.
    """
    found = []
    rows = zip(places, predictions.reasons, _numbers(predictions), strict=True)
    for place, reason, numbers in rows:
        known = {name: None if math.isnan(value) else value for name, value in numbers.items()}
        found.append({**place, "reason": reason or "", **known, **dict.fromkeys(DECIDED, "")})
    return found


def _numbers(predictions: Predictions) -> list[dict[str, float]]:
    task = predictions.task
    if not task.has_probabilities:
        return [dict(zip(task.output_names, row, strict=True)) for row in predictions.outputs.tolist()]
    empty = dict.fromkeys((f"calibrated_{name}" for name in task.classes), math.nan)
    raw = [f"raw_{name}" for name in task.classes]
    return [{**dict(zip(raw, row, strict=True)), **empty} for row in predictions.raw.tolist()]


def as_text(line: Line) -> list[str]:
    """The cells of a line for a CSV file."""
    return [_cell(value) for value in line.values()]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
