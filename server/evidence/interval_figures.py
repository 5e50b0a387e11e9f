"""How sure a run's headline figures are: intervals by site, over all sites together, and within sites."""

from __future__ import annotations

from typing import Any

from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import AnyTask, Evaluation
from fedgraft.common.tasks.areas import Area, area, area_of, area_within, cases_to_see, smallest_difference, too_few
from fedgraft.common.tasks.intervals import wilson
from fedgraft.server.rounds.state import RunOutcome

DIFFERENCE = 0.05
"""The difference of two AUROCs for which the number of cases is told."""


def interval_figures(outcome: RunOutcome) -> dict[str, Any]:
    """The key ``intervals`` of ``summary.json``."""
    last, task = outcome.final, outcome.final.task
    tests = {name: splits["test"] for name, splits in sorted(last.by_site.items()) if "test" in splits}
    tests = {name: one for name, one in tests.items() if one.cases}
    together = task.merge(list(tests.values())) if tests else None
    inside = area_within(list(tests.values())) if tests else None
    return {
        "sites": {name: {**_figures(task, one), "few": too_few(one)} for name, one in tests.items()},
        "together": None if together is None else _figures(task, together),
        "within_site": None if inside is None else _area(inside),
        "central": None if last.central is None else _figures(task, last.central),
        "seen": None if together is None else _seen(together),
    }


def _figures(task: AnyTask, evaluation: Evaluation) -> dict[str, Any]:
    """AUROC, and of each class or finding that is called yes or no at log odds 0 its sensitivity and specificity."""
    whole = area_of(evaluation)
    called = {answer.score for answer in task.answers if not answer.speaks_for}
    classes = {}
    for place, (name, counts) in enumerate(zip(task.scored, evaluation.score_counts(), strict=True)):
        one = area(counts)
        classes[name] = {"auroc": None if one is None else _area(one)} | (_calls(counts) if place in called else {})
    return {"auroc": None if whole is None else _area(whole), "classes": classes}


def _calls(counts: ScoreCounts) -> dict[str, Any]:
    above = counts.scores > 0
    return {
        "sensitivity": _share(int(counts.positives[above].sum()), int(counts.positives.sum())),
        "specificity": _share(int(counts.negatives[~above].sum()), int(counts.negatives.sum())),
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
    found = area_of(together)
    if found is None or not found.variance > 0:
        return None
    return {
        "cases": together.cases,
        "smallest_difference": round(smallest_difference(found), 4),
        "difference": DIFFERENCE,
        "cases_needed": cases_to_see(DIFFERENCE, found.variance, together.cases),
    }
