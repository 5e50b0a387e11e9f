"""What a coordinator that would like to see a patient could learn from each thing that may leave, in words.

Figures are of attacks that were made (tests/attacks, docs/trust.md), on sites that held nothing back.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import exp

from fedgraft.client.check.report import Finding, Section
from fedgraft.client.fence.plan_bounds import beyond, require_model_within
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.errors import BoundsError
from fedgraft.common.models.model import Model
from fedgraft.common.plan.checks.exact import is_exact
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.protection.dangers import plan_dangers

TITLE = "what leaves, and what it could tell"


def releases(site: SiteFile, plan: Plan | None, model: Model | None) -> Section:
    """A finding for each release that the site allows and the plan, if there is one, asks for; and what the plan asks
    beyond the site's bounds."""
    if plan is not None and plan.privacy.on:
        told = [*_promised(plan)]
    else:
        told = [*_learnt(site, plan), *_numbers(site, plan), *_figures(site, plan)]
    findings = [*told, *_bounds(site, plan, model)]
    dangers = [] if plan is None else plan_dangers(plan)
    findings += [Finding("warning", danger.name, danger.text, danger.to_do) for danger in dangers]
    return Section(TITLE, tuple(findings))


def _promised(plan: Plan) -> Iterator[Finding]:
    """Of a plan with differential privacy, by which nothing else leaves."""
    section, secure = plan.privacy, plan.aggregation.secure
    promise = f"epsilon {section.epsilon:g}, delta {section.delta:g} (docs/privacy.md)"
    if section.by_patient:
        where = "whose noise is shared in secure sums" if secure else "each with all of its noise"
        text = (
            f"numbers with noise only, {where}: with or without one patient, whatever this run tells is up to "
            f"{exp(section.epsilon):,.1f} times as likely: {promise}, charged to this site's own account"
        )
        yield Finding("ok", "promise", text)
        return
    text = f"one update a round, shortened to privacy.clip; the model hides which hospital gave what: {promise}. "
    if secure:
        yield Finding("ok", "promise", f"{text}Noise is added here, and the coordinator sees the sum")
    else:
        text += "The coordinator sees this site's update as it is, and what that tells of patients"
        yield Finding("warning", "promise", text, "set aggregation=secure")


def _learnt(site: SiteFile, plan: Plan | None) -> Iterator[Finding]:
    least = site.release.patients
    if least < site.release.min_count:
        text = f"min_patients={least} is less than min_count={site.release.min_count}"
        yield Finding("warning", "update", text, "leave min_patients out, unless nothing here is secret")
    if plan is not None and is_exact(plan.strategy):
        text = (
            f"sums of gradients at weights that the coordinator chooses, {site.bounds.evaluations} in a run at most; "
            f"each rests on {least} patients or more. Heads that were sure of all but one read that one's features at "
            "a site that holds nothing back; many sums together could still tell who is unlike all others"
        )
        yield Finding("ok", "gradient", text)
        return
    text = (
        f"weights after training here. A part of them that rests on fewer than {least} patients, or that tells one "
        "patient from the others beside another part, leaves as it came. In a test, weights sent to pick single "
        "patients out read 105 of 243 patients' rows at a site without this rule, and none with it. Guessing what "
        "few patients' data were from large layers is made harder, not impossible"
    )
    yield Finding("ok", "update", text)


def _numbers(site: SiteFile, plan: Plan | None) -> Iterator[Finding]:
    """Of the training cases."""
    allowed, asked = site.release, None if plan is None else plan.release
    yield Finding("ok", "number", "the number of training cases: that a patient came or went, not who")
    if allowed.train_loss and (asked is None or asked.train_loss):
        text = "a mean over all training cases: with and without one patient, how well that one is predicted"
        yield Finding("ok", "train_loss", text)
    if allowed.class_counts and (asked is None or asked.class_counts):
        text = f"cases by class, each 0 or at least {allowed.min_count}: with and without one patient, that one's class"
        yield Finding("ok", "class_counts", text)
    if allowed.statistics:
        text = (
            f"sums over {allowed.min_count} patients or more, of columns, features or images: with and without one "
            "patient, that one's row, exactly"
        )
        yield Finding("ok", "sums", text)
    if allowed.quarantine and (asked is None or asked.quarantine):
        yield Finding("ok", "unusable", "how many cases can't be read, and why: nothing of what is in them")


def _figures(site: SiteFile, plan: Plan | None) -> Iterator[Finding]:
    """Of the validation and test cases."""
    allowed, asked = site.release, None if plan is None else plan.release
    if not allowed.evaluation or not (asked is None or asked.evaluation):
        return
    if allowed.scores == "fine":
        text = "scores to a quarter of a percent: a head that hands one feature through reads it of 60 cases of 60"
        yield Finding("warning", "evaluation", text, "release.scores: merged tells groups of neighbours instead")
    else:
        text = (
            f"scores by groups of {allowed.min_count} neighbours: of a feature that is handed through, hardly more "
            "than its mean and spread"
        )
        yield Finding("ok", "evaluation", text)
    if columns := [name for name in allowed.columns if plan is None or name in plan.audit.names]:
        text = (
            f"the same by {', '.join(columns)}, if every value has {allowed.min_count} cases: how these groups differ"
        )
        yield Finding("ok", "columns", text)


def _bounds(site: SiteFile, plan: Plan | None, model: Model | None) -> Iterator[Finding]:
    if plan is None:
        return
    found = [*beyond(plan, site.bounds)]
    try:
        if model is not None:
            require_model_within(model, site.bounds)
    except BoundsError as error:
        found += error.problems
    for one in found:
        yield Finding("problem", "bounds", one, "the plan is refused here: change it, or `bounds` in site.yaml")
    if not found:
        yield Finding("ok", "bounds", "the plan asks for nothing beyond them")
