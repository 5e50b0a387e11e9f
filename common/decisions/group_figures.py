"""Figures of one class over a group of cases, with intervals, as plain data."""

from __future__ import annotations

from typing import Any

from fedgraft.common.calibration.figures import Figures, figures
from fedgraft.common.decisions.figures import AtThreshold
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.tasks.delong import auroc_interval, auroc_with_variance


def group_figures(raw: ScoreCounts, calibrated: ScoreCounts, called: AtThreshold | None, seed: int) -> dict[str, Any]:
    """``auroc`` and calibration ``intercept`` (value, low, high; ``None`` = undefined), and with ``called``
    sensitivity, specificity, PPV and NPV.

    Args:
        raw, calibrated: the same cases before and after calibration.
        called: the cases by truth and call at their thresholds.
        seed: of the figures of calibration.
    """
    area, known = auroc_with_variance(raw), figures(calibrated, seed)
    return {
        "auroc": None if area is None else [round(value, 6) for value in (area[0], *auroc_interval(*area))],
        "intercept": None if known is None else _intercept(known),
        **({} if called is None else called.figures()),
    }


def _intercept(known: Figures) -> list[float] | None:
    if known.intercept is None or known.intercept_interval is None:
        return None
    return [round(value, 6) for value in (known.intercept, *known.intercept_interval)]
