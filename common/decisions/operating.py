"""Operating points: from which score on a case is called positive, chosen on validation cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np

from fedgraft.common.decisions.counts import Floats, Weighed
from fedgraft.common.tasks.metrics import edges

Rule = Literal["youden", "sensitivity", "specificity", "cost"]
_ROUNDING = 1e-9


def threshold(counts: Weighed, rule: Rule, value: float | None) -> float | None:
    """The score from which on a case is positive; ``None`` without negative or without positive cases.

    Args:
        rule: ``youden``: the largest sum of sensitivity and specificity (Youden, Cancer 1950); ``sensitivity``,
            ``specificity``: at least ``value``, and then the most of the other; ``cost``: the least cost, if a missed
            positive costs ``value`` times a false alarm.
    """
    if not counts.negatives.sum() or not counts.positives.sum():
        return None
    place = _RULES[rule](counts, 0.0 if value is None else value)
    low, high = edges(counts.scores)
    return float(low[place] if place < len(low) else high[-1])


def _rates(counts: Weighed) -> tuple[Floats, Floats]:
    """Sensitivity and specificity with each score as the lowest that is called positive, and with none; ``(K + 1,)``"""
    true = np.append(np.cumsum(counts.positives[::-1])[::-1], 0.0) / counts.positives.sum()
    false = np.append(np.cumsum(counts.negatives[::-1])[::-1], 0.0) / counts.negatives.sum()
    return true, 1 - false


def _youden(counts: Weighed, value: float) -> int:
    sensitivity, specificity = _rates(counts)
    return _last_best(sensitivity + specificity)


def _at_sensitivity(counts: Weighed, value: float) -> int:
    sensitivity, _ = _rates(counts)
    return int(np.flatnonzero(sensitivity >= value - _ROUNDING)[-1])


def _at_specificity(counts: Weighed, value: float) -> int:
    _, specificity = _rates(counts)
    return int(np.flatnonzero(specificity >= value - _ROUNDING)[0])


def _least_cost(counts: Weighed, value: float) -> int:
    missed = np.append(0.0, np.cumsum(counts.positives))
    alarms = np.append(np.cumsum(counts.negatives[::-1])[::-1], 0.0)
    return _last_best(-(value * missed + alarms))


def _last_best(values: Floats) -> int:
    """Of equal ones the highest score."""
    return int(np.flatnonzero(values >= values.max() - _ROUNDING)[-1])


_RULES: Mapping[str, Callable[[Weighed, float], int]] = MappingProxyType(
    {"youden": _youden, "sensitivity": _at_sensitivity, "specificity": _at_specificity, "cost": _least_cost}
)
