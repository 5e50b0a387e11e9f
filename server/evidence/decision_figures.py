"""Figures of a run's decisions on test cases, which made none of them: at thresholds, and of sets of answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.calibration.figures import mapped, together
from fedgraft.common.decisions.curves import decision_curve, risk_coverage, roc
from fedgraft.common.decisions.decisions import Decisions, Rules
from fedgraft.common.decisions.figures import AtThreshold, at_threshold, summed
from fedgraft.common.interfaces.scores import ScoreCounts, TellsCalls
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.evidence_sections import Source
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.grouped import Fits
from fedgraft.server.evidence.set_figures import set_figures
from fedgraft.server.rounds.state import RunOutcome

Counts = tuple[ScoreCounts, ...]
SOURCES: tuple[Source, ...] = ("pooled", "own", "shrunk")


@dataclass(frozen=True)
class Tested:
    """Test cases by site.

    Attributes:
        counts: their scores.
        called: of sites that tell scores by groups, the cases as the model itself calls them, which they tell exactly.
    """

    counts: Mapping[str, Counts]
    called: Mapping[str, Sequence[AtThreshold | None]]

    def at(self, site: str, place: int, cut: float) -> AtThreshold:
        """The cases of a scored class by truth and call at a threshold."""
        exact = self.called[site][place] if cut == 0 and site in self.called else None
        return at_threshold(self.counts[site][place], cut) if exact is None else exact


def calls_of(evaluation: Evaluation) -> list[AtThreshold | None]:
    """Of each scored class the cases by truth and the model's own call, as far as the evaluation counts them."""
    if not isinstance(evaluation, TellsCalls):
        return [None] * len(evaluation.score_counts())
    return [None if one is None else AtThreshold(*one) for one in evaluation.calls()]


def at_or_exact(evaluation: Evaluation, place: int, cut: float, by_groups: bool) -> AtThreshold:
    """The cases of a scored class by truth and call at a threshold; at log odds of 0 as sites that tell scores by
    groups count them exactly."""
    exact = calls_of(evaluation)[place] if by_groups and cut == 0 else None
    return exact or at_threshold(evaluation.score_counts()[place], cut)


def decision_figures(
    plan: Plan, outcome: RunOutcome, decisions: Decisions | None, calibration: Calibration, fitted: Fits
) -> dict[str, Any] | None:
    """The key ``decisions`` of ``summary.json``; ``None`` without decisions or test cases."""
    told = {
        name: splits["test"]
        for name, splits in sorted(outcome.final.by_site.items())
        if "test" in splits and splits["test"].cases
    }
    if decisions is None or not told:
        return None
    tests, grouped = {name: one.score_counts() for name, one in told.items()}, fitted.grouped
    called = {name: calls_of(one) for name, one in told.items() if grouped.least(name)}
    sources = SOURCES if len(decisions.because) < len(grouped.scored) else ()
    return {
        "rule": {"at": plan.decide.at, "value": plan.decide.value, "by_site": plan.decide.by_site},
        "thresholds": _thresholds(plan, decisions, Tested(tests, called), calibration),
        "curves": _curves(plan, decisions, tests, calibration),
        "sets": {source: set_figures(plan, source, fitted, tests) for source in sources},
        "coverage": plan.decide.coverage,
        "miss": plan.decide.miss,
        **({"because": dict(decisions.because)} if decisions.because else {}),
    }


def _thresholds(plan: Plan, decisions: Decisions, tests: Tested, calibration: Calibration) -> dict[str, Any]:
    """By scored class: at the operating point, at the cautious one, and where the model's own probability is one half;
    over all test cases, each with its site's threshold, and by site."""
    found: dict[str, Any] = {}
    for place, scored in enumerate(tasks.of(plan.data).scored):
        kinds: dict[str, dict[str, float | None]] = {
            "chosen": {name: decisions.rules(name).thresholds[place] for name in tests.counts},
            "cautious": {name: _or_none_negative(decisions.rules(name).cautious[place]) for name in tests.counts},
            "half": dict.fromkeys(tests.counts, 0.0),
        }
        found[scored] = {
            "threshold": decisions.pooled.thresholds[place],
            "probability": _probability(decisions.pooled, place, calibration),
            **{kind: _at(place, cuts, tests, plan) for kind, cuts in kinds.items()},
        }
    return found


def _at(place: int, cuts: Mapping[str, float | None], tests: Tested, plan: Plan) -> dict[str, Any]:
    counted = {name: tests.at(name, place, cut) for name in tests.counts if (cut := cuts[name]) is not None}
    odds = None if plan.decide.at != "cost" or plan.decide.value is None else 1 / plan.decide.value
    return {
        "pooled": summed(list(counted.values())).figures(odds) if counted else None,
        "sites": {name: one.figures(odds) for name, one in counted.items()},
    }


def _or_none_negative(cut: float | None) -> float:
    return -math.inf if cut is None else cut


def _probability(rules: Rules, place: int, calibration: Calibration) -> float | None:
    """The calibrated probability at the pooled threshold."""
    cut = rules.thresholds[place]
    if cut is None:
        return None
    log_odds = calibration.pooled[place](np.array([cut]))
    return round(float(1 / (1 + math.exp(-float(log_odds[0])))), 6)


def _curves(plan: Plan, decisions: Decisions, tests: Mapping[str, Counts], calibration: Calibration) -> dict[str, Any]:
    """Over all sites' test cases by scored class: the decision curve, and wrong calls by the share answered."""
    found: dict[str, Any] = {}
    for place, scored in enumerate(tasks.of(plan.data).scored):
        calibrated = together([mapped(each[place], calibration.maps(name)[place]) for name, each in tests.items()])
        cuts = {name: decisions.rules(name).thresholds[place] for name in tests}
        moved = [
            replace(each[place], scores=each[place].scores - cut)
            for name, each in tests.items()
            if (cut := cuts[name]) is not None
        ]
        found[scored] = {
            "roc": [asdict(point) for point in roc(calibrated)],
            "benefit": [asdict(point) for point in decision_curve(calibrated)],
            "answered": [asdict(point) for point in risk_coverage(together(moved), 0.0)] if moved else [],
        }
    return found
