"""Figures of a calibration on test cases, which it was not fitted to: before and after, pooled, by site, central."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import Calibration, Maps, raw
from fedgraft.common.calibration.figures import figures, mapped, together
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.calibration import Calibrated
from fedgraft.server.rounds.state import RunOutcome

Counts = tuple[ScoreCounts, ...]
MEANS = ("ece", "ece_by_chance", "adaptive_ece")


def calibration_figures(plan: Plan, outcome: RunOutcome, found: Calibrated) -> dict[str, Any]:
    """The key ``calibration`` of ``summary.json``; ``pooled`` and ``by_site`` are on the sites' test cases, ``central``
    on the coordinator's own, each ``None`` without such cases.

    Pooled after calibration, each site's cases have their own site's maps, as they will when the model is used there.
    """
    task, calibration, last = tasks.of(plan.data), found.calibration, outcome.final
    tests = {name: splits["test"].score_counts() for name, splits in sorted(last.by_site.items()) if "test" in splits}
    tests = {name: counts for name, counts in tests.items() if any(each.cases for each in counts)}
    central = None if last.central is None else last.central.score_counts()
    return {
        "method": calibration.method,
        "from_cases": sum(found.from_cases.values()),
        "from_sites": found.from_cases,
        "own_maps": sorted(calibration.sites),
        "pooled_because": found.pooled_because,
        "maps": calibration.to_dict(),
        "pooled": _before_and_after(plan, calibration, tests) if tests and task.has_probabilities else None,
        "by_site": {name: _before_and_after(plan, calibration, {name: counts}) for name, counts in tests.items()}
        if task.has_probabilities
        else {},
        "central": _before_and_after(plan, calibration, {"": central}) if central else None,
    }


def _before_and_after(plan: Plan, calibration: Calibration, sites: dict[str, Counts]) -> dict[str, Any]:
    """Figures of some sites' cases together, with the model's own probabilities, and with calibrated ones."""
    uncalibrated = raw(calibration.task, calibration.classes)
    return {
        when: _figures(plan, [_behind(one.maps(name), counts) for name, counts in sites.items()])
        for when, one in (("before", uncalibrated), ("after", calibration))
    }


def _behind(maps: Maps, counts: Counts) -> Counts:
    return tuple(mapped(each, one) for each, one in zip(counts, maps, strict=True))


def _figures(plan: Plan, sites: Sequence[Counts]) -> dict[str, Any]:
    """The figures of each scored class, and their means over the classes with cases."""
    by_class = {
        name: figures(together([counts[place] for counts in sites]), plan.seed)
        for place, name in enumerate(tasks.of(plan.data).scored)
    }
    plain = {name: each.to_dict() for name, each in by_class.items() if each is not None}
    means = {name: round(sum(each[name] for each in plain.values()) / len(plain), 6) for name in MEANS}
    return {**means, "classes": plain}
