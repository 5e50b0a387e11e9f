"""Predictions as lines of a table: a line for each case, also for one that can't be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.client.prediction.deciding import UNREADABLE
from fedgraft.client.prediction.predicting import Predictions

Line = dict[str, Any]
DECIDED = ("predicted", "set", "flag", "why")
"""Columns of decisions; empty where a model has none, but that what can't be read is always flagged."""
_DIGITS = 9


def lines_of(predictions: Predictions, places: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The lines: what says which case it is; ``reason``, empty if it can be used; for each class ``raw_CLASS`` and
    ``calibrated_CLASS``, its probability before and after calibration; or else the outputs (``log_hazard``); and
    `DECIDED`: the answer, the set of answers (``benign|malignant``), ``yes`` or ``no``, and why. Numbers are ``None``
    where there are none.

    Args:
        places: for each case, the columns that say which it is.
    """
    names, values, decided = _columns(predictions), iter(_values(predictions)), iter(_decided(predictions))
    nothing = [None] * len(names)
    unreadable = dict(zip(DECIDED, ("", "", "yes", UNREADABLE), strict=True))
    found = []
    for place, reason in zip(places, predictions.reasons, strict=True):
        numbers = nothing if reason else next(values)
        after = unreadable if reason else next(decided)
        found.append({**place, "reason": reason or "", **dict(zip(names, numbers, strict=True)), **after})
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


def _decided(predictions: Predictions) -> list[dict[str, str]]:
    """For each usable case, the columns of `DECIDED`."""
    found = predictions.decided
    if found is None:
        return [dict.fromkeys(DECIDED, "")] * len(predictions.outputs)
    flags = [("yes" if why else "no", "; ".join(why)) for why in found.why]
    return [
        dict(zip(DECIDED, (predicted, members, *flag), strict=True))
        for predicted, members, flag in zip(found.predicted, found.sets, flags, strict=True)
    ]


def as_text(line: Line) -> list[str]:
    """The cells of a line for a CSV file."""
    return [_cell(value) for value in line.values()]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.{_DIGITS}g}" if isinstance(value, float) else str(value)
