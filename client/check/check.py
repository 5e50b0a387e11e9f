"""Run every check that applies to a site, section by section."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fedgraft.client.check.against_plan import network
from fedgraft.client.check.by_kind import look_of
from fedgraft.client.check.cases import enrol, lines_of_cases
from fedgraft.client.check.formatting import count_of
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.request import CheckContext, CheckRequest, Chosen, choose_plan, simulation_of
from fedgraft.client.check.sections.access import describe_access
from fedgraft.client.check.sections.account import describe_account
from fedgraft.client.check.sections.cohort import describe_cohort
from fedgraft.client.check.sections.deployment import describe_deployment
from fedgraft.client.check.sections.releases import releases
from fedgraft.client.cohort.enrolment.enrolled import Enrolled
from fedgraft.client.cohort.enrolment.roll import roll_of
from fedgraft.client.cohort.enrolment.withdrawn import nobody_is_withdrawn, without_withdrawn
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DataError, FedGraftError


def check_site(path: Path, request: CheckRequest) -> Iterator[Section]:
    """Check the site file, its folders and coordinator, the cohort, its images or columns, and what the plan needs.

    Only thumbnails hold pixels; no section holds a patient's name or a case's path or label.
    """
    try:
        site = read_site_file(path)
    except FedGraftError as error:
        yield _failed("site file", "site file", error)
        return
    yield Section("site file", (Finding("ok", "site file", f"site {site.name}, {path}"),))
    simulated = simulation_of(path) is not None
    yield describe_deployment(site, simulated)
    context = CheckContext(site, None, None, request)
    try:
        chosen = choose_plan(request.plan, path, site)
        context = CheckContext(site, chosen, None if chosen is None else network(chosen.plan, site), request)
        yield _plan_section(chosen, request)
    except FedGraftError as error:
        yield _failed("plan", "plan", error)
    try:
        with nobody_is_withdrawn(context.site.state):
            yield from _check_cohort(context, simulated)
    except OSError as error:  # a folder can't be read or written; problems of cases are findings
        text = f"the state or store folder can't be written or read ({error.strerror})"
        yield Section("cohort", (Finding("problem", "folders", text, "see `state` and `store` above"),))
    except (DataError, RuntimeError) as error:
        yield Section("cohort", (Finding("problem", "folders", str(error), "see `state` and `store` above"),))
    if not simulated:
        yield releases(site, context.plan, context.model)


def _check_cohort(context: CheckContext, simulated: bool) -> Iterator[Section]:
    site, plan = context.site, context.plan
    try:
        listed = listed_cases(site)
        if not simulated:  # what a simulation has laid out is its own user's
            yield describe_access(site.manifest, listed)
        look = look_of(listed, plan, site)
        cases = look.cases(without_withdrawn(listed, site.state), plan, site)
        roll = roll_of(site)
        case_table = enrol(cases, lines_of_cases(listed, cases), plan, roll)
    except FedGraftError as error:
        yield _failed("cohort", "manifest", error)
        return
    yield describe_cohort(case_table, None if plan is None else plan.data, site.release.min_count)
    yield describe_account(site, case_table, Enrolled(roll, listed), None if plan is None else plan.data)
    yield from look.sections(context, case_table, listed)


def _plan_section(chosen: Chosen | None, request: CheckRequest) -> Section:
    if chosen is not None:
        plan = chosen.plan
        text = f"{plan.digest[:12]}, {chosen.origin}: data.task={plan.data.task}, {plan.backbone.name}, "
        return Section("plan", (Finding("ok", "plan", f"{text}{count_of(plan.rounds, 'round')}"),))
    text = "none given, and the coordinator has sent none: not checked are task, classes, splits, size of the cohort,"
    found = [Finding("warning", "plan", f"{text} time, memory, bytes and disk", "name one with --plan")]
    if request.uplink is not None:
        found.append(Finding("problem", "--uplink", "has no effect without a plan", "add --plan, or leave it out"))
    return Section("plan", tuple(found))


def _failed(title: str, what: str, error: FedGraftError) -> Section:
    return Section(title, (Finding("problem", what, str(error)),))
