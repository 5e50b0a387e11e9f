"""Decide by the final model: thresholds and sets of answers from the validation cases of the sites that train."""

from __future__ import annotations

from collections.abc import Mapping

from fedgraft.common import tasks
from fedgraft.common.calibration.figures import together
from fedgraft.common.calibration.in_groups import NOTHING
from fedgraft.common.decisions.conformal import whole_groups
from fedgraft.common.decisions.decisions import Decisions, Rules, rules_of, with_raw
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.evidence_sections import DecideSection
from fedgraft.common.plan.plan import Plan
from fedgraft.server.evidence.grouped import Fits
from fedgraft.server.rounds.state import RunOutcome

Counts = tuple[ScoreCounts, ...]


def validation(plan: Plan, outcome: RunOutcome) -> dict[str, Evaluation]:
    """The evaluations of validation cases by site, of the sites that train and told any."""
    return {
        name: splits["val"]
        for name, splits in sorted(outcome.final.by_site.items())
        if "val" in splits and name not in plan.hold_out and splits["val"].cases
    }


def of_all_sites(counts: Mapping[str, Counts]) -> Counts:
    """The score counts of all sites' cases together; of one site or more."""
    return tuple(together(list(column)) for column in zip(*counts.values(), strict=True))


def decided(plan: Plan, found: Fits) -> Decisions | None:
    """The decisions of a run by what is ``found``; ``None`` if no site told validation cases, or the task has no
    answers."""
    task = tasks.of(plan.data)
    if not (found.counts or found.raw) or not task.answers:
        return None
    rules = by_site(plan, plan.decide, found)
    sites = {} if plan.decide.by_site == "pooled" else {name: rules[name] for name in found.counts}
    return Decisions(task.name, task.classes, plan.decide, rules[""], sites, found.raw)


def by_site(plan: Plan, section: DecideSection, found: Fits) -> dict[str, Rules]:
    """The rules of each site, and under ``""`` those of all together."""
    task = tasks.of(plan.data)
    strange = {
        name: tuple(whole_groups(one, found.grouped.least(name)) for one in counts)
        for name, counts in found.counts.items()
    }
    pooled, stranger = (of_all_sites(one) if one else (NOTHING,) * len(task.scored) for one in (found.counts, strange))
    each = {name: rules_of(task, section, one, pooled, (strange[name], stranger)) for name, one in found.counts.items()}
    each |= {"": rules_of(task, section, None, pooled, (None, stranger))}
    return {name: with_raw(one, task, found.raw) for name, one in each.items()} if found.raw else each
