"""How sure a run's headline figures are: intervals by site, over all sites together, and within sites."""

from __future__ import annotations

from typing import Any

from fedgraft.common.calibration.in_groups import Grouped
from fedgraft.common.decisions.figures import AtThreshold, at_threshold
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import (
    Area,
    Ranks,
    area,
    area_of,
    area_within,
    cases_to_see,
    ranking_of,
    smallest_difference,
    too_few,
)
from fedgraft.common.tasks.intervals import wilson
from fedgraft.server.evidence.decision_figures import calls_of
from fedgraft.server.rounds.state import RunOutcome

DIFFERENCE = 0.05
"""The difference of two AUROCs for which the number of cases is told."""


def interval_figures(outcome: RunOutcome, grouped: Grouped) -> dict[str, Any]:
    """The key ``intervals`` of ``summary.json``."""
    last, task = outcome.final, outcome.final.task
    tests = {name: splits["test"] for name, splits in sorted(last.by_site.items()) if "test" in splits}
    tests = {name: one for name, one in tests.items() if one.cases}
    together = task.merge(list(tests.values())) if tests else None
    inside = area_within(list(tests.values())) if tests else None
    return {
        "sites": {
            name: {**_figures(task, one, grouped.least(name) > 0), "few": too_few(one) or grouped.is_blurred(name, one)}
            for name, one in tests.items()
        },
        "together": None if together is None else _figures(task, together, any(map(grouped.least, tests))),
        "within_site": None if inside is None else _area(inside),
        "central": None if last.central is None else _figures(task, last.central, False),
        "seen": None if together is None else _seen(together),
    }


def _figures(task: AnyTask, evaluation: Evaluation, by_groups: bool) -> dict[str, Any]:
    """AUROC, or the headline figure of a task that ranks by itself; and of each class or finding that is called yes or
    no at log odds 0 its sensitivity and specificity.

    Args:
        by_groups: whether scores of some cases were told by groups, and calls must be counted from what is exact.
    """
    whole, exact = area_of(evaluation), calls_of(evaluation) if by_groups else []
    called = {answer.score for answer in task.answers if not answer.speaks_for}
    classes = {}
    for place, (name, counts) in enumerate(zip(task.scored, evaluation.score_counts(), strict=True)):
        one = area(counts)
        classes[name] = {"auroc": None if one is None else _area(one)} | (
            _calls(counts, exact[place] if exact else None) if place in called else {}
        )
    own = ranking_of(evaluation) if isinstance(evaluation, Ranks) else None
    found = {"auroc": None if whole is None else _area(whole), "classes": classes}
    return found | ({} if own is None else {task.headline: _area(own)})


def _calls(counts: ScoreCounts, exact: AtThreshold | None) -> dict[str, Any]:
    at = at_threshold(counts, 0.0) if exact is None else exact
    return {
        "sensitivity": _share(at.true_positives, at.true_positives + at.false_negatives),
        "specificity": _share(at.true_negatives, at.true_negatives + at.false_positives),
    }


def _share(part: int, whole: int) -> dict[str, Any] | None:
    if not whole:
        return None
    low, high = wilson(part, whole)
    return {"value": round(part / whole, 6), "low": round(low, 6), "high": round(high, 6), "cases": whole}


def _area(one: Area) -> dict[str, Any]:
    low, high = one.interval
    return {
        "value": round(one.value, 6),
        "low": round(low, 6),
        "high": round(high, 6),
        "positives": one.positives,
        "negatives": one.negatives,
    }


def _seen(together: Evaluation) -> dict[str, Any] | None:
    """What difference to another model these cases would show, and how many would show `DIFFERENCE`."""
    found = ranking_of(together)
    if found is None or not found.variance > 0:
        return None
    return {
        "cases": together.cases,
        "smallest_difference": round(smallest_difference(found), 4),
        "difference": DIFFERENCE,
        "cases_needed": cases_to_see(DIFFERENCE, found.variance, together.cases),
    }
