"""Decide by the final model: thresholds and sets of answers from the validation cases of the sites that train."""

from __future__ import annotations

from collections.abc import Mapping

from fedgraft.common import tasks
from fedgraft.common.calibration.figures import together
from fedgraft.common.decisions.decisions import Decisions, Rules, rules_of
from fedgraft.common.interfaces.scores import ScoreCounts
from fedgraft.common.interfaces.task import Evaluation
from fedgraft.common.plan.evidence_sections import DecideSection
from fedgraft.common.plan.plan import Plan
from fedgraft.server.rounds.state import RunOutcome

Counts = tuple[ScoreCounts, ...]


def validation(plan: Plan, outcome: RunOutcome) -> dict[str, Evaluation]:
    """The evaluations of validation cases by site, of the sites that train and told any."""
    return {
        name: splits["val"]
        for name, splits in sorted(outcome.final.by_site.items())
        if "val" in splits and name not in plan.hold_out and splits["val"].cases
    }


def validation_counts(plan: Plan, outcome: RunOutcome) -> dict[str, Counts]:
    """The score counts of `validation`."""
    return {name: evaluation.score_counts() for name, evaluation in validation(plan, outcome).items()}


def of_all_sites(counts: Mapping[str, Counts]) -> Counts:
    """The score counts of all sites' cases together; of one site or more."""
    return tuple(together(list(column)) for column in zip(*counts.values(), strict=True))


def decided(plan: Plan, outcome: RunOutcome) -> Decisions | None:
    """The decisions of a run; ``None`` if no site told validation cases, or the task has no answers."""
    task, counts = tasks.of(plan.data), validation_counts(plan, outcome)
    if not counts or not task.answers:
        return None
    rules = by_site(plan, plan.decide, counts)
    sites = {} if plan.decide.by_site == "pooled" else {name: rules[name] for name in counts}
    return Decisions(task.name, task.classes, plan.decide, rules[""], sites)


def by_site(plan: Plan, section: DecideSection, counts: Mapping[str, Counts]) -> dict[str, Rules]:
    """The rules of each site, and under ``""`` those of all together."""
    task, pooled = tasks.of(plan.data), of_all_sites(counts)
    own = {name: rules_of(task, section, each, pooled) for name, each in counts.items()}
    return {"": rules_of(task, section, None, pooled), **own}
