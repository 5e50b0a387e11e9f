"""Figures by subgroup of the sites' test cases, and whether groups differ by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import scipy  # its rooms are loaded when first used

from fedgraft.common import tasks
from fedgraft.common.calibration.calibration import Calibration
from fedgraft.common.calibration.figures import figures, mapped, together
from fedgraft.common.calibration.in_groups import Grouped
from fedgraft.common.decisions.decisions import Decisions
from fedgraft.common.decisions.figures import AtThreshold, summed
from fedgraft.common.decisions.group_figures import group_figures
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tasks.delong import auroc_with_variance
from fedgraft.common.tasks.intervals import quantile
from fedgraft.server.evidence.decision_figures import at_or_exact, calls_of
from fedgraft.server.rounds.state import RunOutcome

ALPHA = 0.05
Parts = Mapping[str, Evaluation]
"""The evaluations of one subgroup, by site."""


def subgroup_figures(
    plan: Plan, outcome: RunOutcome, decisions: Decisions | None, calibration: Calibration, grouped: Grouped
) -> dict[str, Any]:
    """The key ``subgroups`` of ``summary.json``: by column, ``groups`` (over all sites), ``sites``, ``gaps`` by scored
    class, and ``without``: the sites that told nothing of it. A subgroup whose scores came in too few groups is
    ``blurred``: what rests on their order is not given."""
    told = outcome.final.subgroups
    found: dict[str, Any] = {}
    for column in plan.audit.names:
        by_group: dict[str, dict[str, Evaluation]] = {}
        for site, columns in sorted(told.items()):
            for group, one in columns.get(column, {}).items():
                by_group.setdefault(group, {})[site] = one

        def shown(parts: Parts) -> dict[str, Any]:
            return _figures(plan, parts, decisions, calibration, grouped)

        found[column] = {
            "groups": {group: shown(parts) for group, parts in sorted(by_group.items())},
            "sites": {
                site: {group: shown({site: one}) for group, one in sorted(columns[column].items())}
                for site, columns in sorted(told.items())
                if column in columns
            },
            "gaps": _gaps(plan, by_group, decisions, calibration, grouped),
            "without": sorted(site for site in outcome.offers if column not in told.get(site, {})),
        }
    return found


def _figures(
    plan: Plan, parts: Parts, decisions: Decisions | None, calibration: Calibration, grouped: Grouped
) -> dict[str, Any]:
    task = tasks.of(plan.data)
    merged = task.merge(list(parts.values()))
    found = {"cases": merged.cases, "prevalence": merged.prevalence, task.headline: merged.figures()[task.headline]}
    found["classes"] = {
        name: _class_figures(plan, parts, place, decisions, calibration, grouped)
        for place, name in enumerate(task.scored)
    }
    return found if grouped.ranks(parts) else {**found, task.headline: None, "blurred": True}


def _class_figures(
    plan: Plan, parts: Parts, place: int, decisions: Decisions | None, calibration: Calibration, grouped: Grouped
) -> dict[str, Any]:
    raw, calibrated = _counts(parts, place, None), _counts(parts, place, calibration)
    found = group_figures(raw, calibrated, _called(parts, place, decisions, grouped), plan.seed)
    return found if grouped.ranks(parts) else {**found, "auroc": None, "intercept": None, "blurred": True}


def _counts(parts: Parts, place: int, calibration: Calibration | None) -> ScoreCounts:
    """The scores of all sites' cases, each behind its own site's map."""
    each = {site: one.score_counts()[place] for site, one in parts.items()}
    if calibration is None:
        return together(list(each.values()))
    return together([mapped(counts, calibration.maps(site)[place]) for site, counts in each.items()])


def _called(parts: Parts, place: int, decisions: Decisions | None, grouped: Grouped) -> AtThreshold | None:
    """Cases by truth and call at each site's threshold; ``None`` if scores in too few groups can't tell that. At log
    odds of 0 sites count it exactly."""
    if decisions is None:
        return None
    cuts = {site: decisions.rules(site).thresholds[place] for site in parts}
    few = [] if grouped.ranks(parts) else grouped.too_few(parts)
    if any(cuts[site] != 0 or calls_of(parts[site])[place] is None for site in few):
        return None
    at = [
        at_or_exact(parts[site], place, cut, grouped.least(site) > 0) for site, cut in cuts.items() if cut is not None
    ]
    return summed(at) if at else None


def _gaps(
    plan: Plan,
    by_group: Mapping[str, Parts],
    decisions: Decisions | None,
    calibration: Calibration,
    grouped: Grouped,
) -> dict[str, Any]:
    """By scored class: of AUROC, sensitivity (equal opportunity) and calibration, how far the best and the worst group
    are apart, and whether by more than chance at 0.05 over all these tests (Bonferroni)."""
    task = tasks.of(plan.data)
    ranked = {group: parts for group, parts in by_group.items() if grouped.ranks(parts)}
    tests: dict[str, Callable[[int], dict[str, Any] | None]] = {
        "auroc": lambda place: _auroc_gap(ranked, place),
        "sensitivity": lambda place: _sensitivity_gap(by_group, place, decisions, grouped),
        "calibration": lambda place: _calibration_gap(plan, ranked, place, calibration),
    }
    number = len(tests) * len(task.scored) * len(plan.audit.names)
    found: dict[str, Any] = {}
    for place, scored in enumerate(task.scored):
        gaps = {name: test(place) for name, test in tests.items()}
        found[scored] = {
            name: None if gap is None else {**gap, "more_than_chance": bool(gap["p"] < ALPHA / number)}
            for name, gap in gaps.items()
        }
    return found


def _auroc_gap(by_group: Mapping[str, Parts], place: int) -> dict[str, Any] | None:
    found = {group: auroc_with_variance(_counts(parts, place, None)) for group, parts in by_group.items()}
    known = {group: one for group, one in found.items() if one is not None and one[1] > 0}
    return _differ({group: one[0] for group, one in known.items()}, [one[1] for one in known.values()])


def _calibration_gap(
    plan: Plan, by_group: Mapping[str, Parts], place: int, calibration: Calibration
) -> dict[str, Any] | None:
    values, variances = {}, []
    for group, parts in by_group.items():
        known = figures(_counts(parts, place, calibration), plan.seed)
        if known is not None and known.intercept is not None and known.intercept_interval is not None:
            low, high = known.intercept_interval
            values[group] = known.intercept
            variances.append(((high - low) / 2 / quantile(0.95)) ** 2)
    gap = _differ(values, variances)
    if gap is not None:
        gap["worst"] = max(values, key=lambda group: abs(values[group]))
    return gap


def _sensitivity_gap(
    by_group: Mapping[str, Parts], place: int, decisions: Decisions | None, grouped: Grouped
) -> dict[str, Any] | None:
    called = {group: _called(parts, place, decisions, grouped) for group, parts in by_group.items()}
    table = {
        group: (one.true_positives, one.false_negatives)
        for group, one in called.items()
        if one is not None and one.true_positives + one.false_negatives
    }
    if len(table) < 2:
        return None
    shares = {group: true / (true + missed) for group, (true, missed) in table.items()}
    columns = [sum(column) for column in zip(*table.values(), strict=True)]
    p = 1.0 if 0 in columns else float(scipy.stats.chi2_contingency(list(table.values()), correction=False).pvalue)
    return _gap(shares, p)


def _differ(values: Mapping[str, float], variances: Sequence[float]) -> dict[str, Any] | None:
    """Whether values differ by more than their variances explain: Cochran's Q (Biometrics 1954)."""
    if len(values) < 2:
        return None
    weights = [1 / variance for variance in variances]
    mean = sum(w * v for w, v in zip(weights, values.values(), strict=True)) / sum(weights)
    q = sum(w * (v - mean) ** 2 for w, v in zip(weights, values.values(), strict=True))
    return _gap(values, float(scipy.stats.chi2.sf(q, len(values) - 1)))


def _gap(values: Mapping[str, float], p: float) -> dict[str, Any]:
    gap = max(values.values()) - min(values.values())
    return {"gap": round(gap, 6), "worst": min(values, key=lambda group: values[group]), "p": round(p, 6)}
