"""A plan in words for who must say yes or no to it: what is trained, what leaves in which round, and what is different
from the plan that was approved last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from fedgraft.client.approval.decisions import Decisions, Standing
from fedgraft.client.approval.follows import options
from fedgraft.client.fence.plan_bounds import beyond
from fedgraft.client.site.role import trains_in
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common import tasks
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.common.privacy.budget import by_steps, meets_once

STANDINGS: dict[Standing, str] = {
    "unknown": "waits for a decision here",
    "approved": "approved",
    "refused": "refused",
    "revoked": "its approval was revoked",
    "ended": "the last day of its approval is over; it waits for a decision here",
}
"""How a plan stands, for people."""
NOT_COMPARED = ("engine", "tracking", "patience", "partition")
"""Sections that say nothing about what a site does or tells."""


def named(decisions: Decisions, digest: str, plan: Plan) -> str:
    """A plan by its digest, what it is, and how it stands."""
    standing = STANDINGS[decisions.standing(digest)]
    if decisions.site.approval == "listed" and digest not in decisions.site.approved:
        standing = "not among `approved` in site.yaml"
    if next(beyond(plan, decisions.site.bounds), None) is not None:
        standing = "refused by `bounds` in site.yaml, whoever approves it"
    return f"plan {digest} ({plan.backbone.name}, {plan.rounds} rounds): {standing}"


def what_is_trained(site: SiteFile, plan: Plan) -> Iterator[tuple[str, str]]:
    """What the plan does, as pairs of a title and a text."""
    task = tasks.of(plan.data)
    yield "task", f"{task.name}: {', '.join(task.classes)}"
    frozen = f"frozen: {plan.backbone.freeze}" if plan.backbone.freeze else "nothing of it frozen"
    yield "network", f"{plan.backbone.name}, {frozen}"
    head = "head" if plan.adaptation.target is None else f"head, and layers of {plan.adaptation.target.split('.')[-1]}"
    yield "trained", head
    strategy = str(plan.strategy.target or "").rpartition(".")[2]
    each = "" if is_exact(plan.strategy) else f", {plan.train.epochs} epochs each"
    if by_steps(plan):
        each = f", {plan.privacy.steps // plan.rounds} noisy steps each"
    yield "how", f"{plan.rounds} rounds{each}, strategy {strategy}"
    if not trains_in(site, plan):
        yield "part", "this site trains nothing, and the model is tested on its cases"


def what_leaves(site: SiteFile, plan: Plan) -> Iterator[tuple[str, str]]:
    """What the plan asks and this site allows, by when it leaves."""
    ours, theirs = site.release, plan.release
    noisy = " with noise" if plan.privacy.by_patient else ""
    before = [f"the number of training {'patients' if noisy else 'cases'}{noisy}"]
    by_class = "training patients by class with noise" if noisy else "training cases by class"
    has_classes = not noisy or tasks.of(plan.data).one_class_per_case
    before += [by_class] if has_classes and ours.class_counts and theirs.class_counts else []
    before += ["mean and mean square of each feature with noise"] if noisy and plan.features.needs_common else []
    before += ["sums of features and their products with noise"] if meets_once(plan) else []
    before += ["cases that can't be used, by reason"] if ours.quarantine and theirs.quarantine else []
    yield "before the first round", "; ".join(before)
    summed = " inside a secure sum" if plan.aggregation.secure else ""
    each = [f"gradients at given weights{noisy}{summed}"] if is_exact(plan.strategy) else []
    each += [f"the trained weights{noisy}{summed}"] if not each and plan.rounds else []
    each += ["the mean training loss"] if ours.train_loss and theirs.train_loss and not is_exact(plan.strategy) else []
    yield "in each round", "; ".join(each) or "nothing"
    if ours.evaluation and plan.privacy.evaluation:
        yield "at the end", "counts of scores of validation and test patients in coarse bins, with noise"
    elif ours.evaluation and theirs.evaluation:
        yield "after rounds", f"counts and score histograms of validation and test cases ({ours.scores})"
    if plan.contributions and ours.evaluation and theirs.evaluation:
        yield "at the end", "the same counts of the last model without each site's last update: one set for each site"
    if plan.site_distances and ours.statistics:
        yield "at the end, too", "sums over the patients' features, by which sites are compared; the number of patients"
    columns = [name for name in plan.audit.columns if name in ours.columns]
    yield "figures by column", ", ".join(columns) or "none"
    yield "smallest group", f"{ours.min_count} cases behind any count, {ours.patients} patients behind what is learnt"
    if plan.privacy.on:
        yield "privacy", f"epsilon {plan.privacy.epsilon:g}, delta {plan.privacy.delta:g}, by {plan.privacy.unit}"
    else:
        yield "privacy", "no differential privacy: what leaves is exact"


def differences(new: Plan, old: Plan) -> Iterator[str]:
    """Each option that is not as in another plan: ``rounds: 20 (was 10)``."""
    ours, theirs = _compared(new), _compared(old)
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            yield f"{name}: {_short(ours.get(name))} (was {_short(theirs.get(name))})"


def _compared(plan: Plan) -> dict[str, Any]:
    return {name: value for name, value in options(plan.to_dict()) if name.partition(".")[0] not in NOT_COMPARED}


def _short(value: Any) -> str:
    text = "-" if value is None else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
