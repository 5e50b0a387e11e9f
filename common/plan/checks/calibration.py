"""Checks of ``calibration``."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.plan.evidence_sections import CalibrationSection
from fedgraft.common.plan.types import Check

_OFF = CalibrationSection()

CALIBRATION_CHECKS: tuple[Check, ...] = (
    Check(
        ("calibration",),
        lambda p: p.calibration.method == "none" and p.calibration.by_site,
        "calibration.by_site has no effect with calibration.method=none; set it to false, as calibration=none does",
    ),
    Check(
        ("calibration",),
        lambda p: p.calibration.method == "none" and p.calibration.prevalence is not None,
        "calibration.prevalence has no effect with calibration.method=none: what prevalence the model's own "
        "probabilities are meant for is not known; use calibration=platt",
    ),
    Check(
        ("calibration",),
        lambda p: not p.calibration.by_site and p.calibration.min_cases != _OFF.min_cases,
        f"calibration.min_cases has no effect with calibration.by_site=false; set it to {_OFF.min_cases}",
    ),
    Check(
        ("calibration", "data", "aggregation"),
        lambda p: _for_nothing(p),
        "calibration has no effect with a data.task that has no probabilities; use calibration=none",
    ),
    Check(
        ("calibration", "data"),
        lambda p: _misfits(p),
        "calibration.prevalence must be one share with two classes, or a list of one for each class or finding; those "
        "of classes add up to 1",
    ),
)


def _for_nothing(plan: Any) -> bool:
    """Whether calibration was chosen for a task without probabilities; what ``aggregation=secure`` brings was not."""
    if plan.calibration.method == "none" or tasks.of(plan.data).has_probabilities:
        return False
    brought = replace(_OFF, by_site=False)
    return plan.calibration != _OFF and not (plan.aggregation.secure and plan.calibration == brought)


def _misfits(plan: Any) -> bool:
    task, shares = tasks.of(plan.data), plan.calibration.prevalences
    if shares is None or not task.has_probabilities:
        return False
    several_classes = task.one_class_per_case and len(task.scored) > 1
    return len(shares) != len(task.scored) or (several_classes and not math.isclose(sum(shares), 1, abs_tol=1e-6))
