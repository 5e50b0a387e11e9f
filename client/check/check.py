"""Runs every look at a site that applies, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from fedgraft.client.check import measure, reading
from fedgraft.client.check.cases import CaseTable, enrol, lines_of_cases
from fedgraft.client.check.formatting import count_of
from fedgraft.client.check.measure import pixel_bytes, surroundings
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.request import CheckContext, CheckRequest, Chosen, choose_plan, simulation_of
from fedgraft.client.check.sections.cohort import describe_cohort
from fedgraft.client.check.sections.columns import own_columns
from fedgraft.client.check.sections.cost import cost
from fedgraft.client.check.sections.deployment import describe_deployment
from fedgraft.client.check.sections.images import describe_images
from fedgraft.client.check.sections.sample_size import readiness
from fedgraft.client.check.sections.statistics import stand_in, what_is_told
from fedgraft.client.check.sections.tables import describe_columns, describe_rows, is_table, look_at_rows
from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.images.facts import Facts
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.harmonisation.reference import wants_reference, with_stand_in
from fedgraft.common.models.model import Model
from fedgraft.common.models.traffic import volume
from fedgraft.common.plan.plan import Plan

COST = "cost of a round"
MEASURED_CASES = 32


def check_site(path: Path, request: CheckRequest) -> Iterator[Section]:
    """Look at the site file, its folders and coordinator, the cohort, its images or columns, and what the plan needs.

    No section but a thumbnail's holds a pixel; none holds a patient, a case's path or label.
    """
    try:
        site = read_site_file(path)
    except FedGraftError as error:
        yield _failed("site file", "site file", error)
        return
    yield Section("site file", (Finding("ok", "site file", f"site {site.name}, {path}"),))
    yield describe_deployment(site, simulated=simulation_of(path) is not None)
    context = CheckContext(site, None, None, request)
    try:
        chosen = choose_plan(request.plan, path, site)
        context = CheckContext(site, chosen, None if chosen is None else _network(chosen.plan, site), request)
        yield _plan_section(chosen, request)
    except FedGraftError as error:
        yield _failed("plan", "plan", error)
    try:
        yield from _check_cohort(context)
    except OSError as error:  # what can be wrong with a case is a finding; this is a folder
        text = f"the state or store folder can't be written or read ({error.strerror})"
        yield Section("cohort", (Finding("problem", "folders", text, "see `state` and `store` above"),))
    except (DataError, RuntimeError) as error:
        yield Section("cohort", (Finding("problem", "folders", str(error), "see `state` and `store` above"),))


def _check_cohort(context: CheckContext) -> Iterator[Section]:
    site, plan = context.site, context.plan
    try:
        listed = read_manifest(site.manifest)
        table = plan.table is not None if plan is not None else is_table(listed, site.manifest)
        cases = listed if table else reading.expanded(listed, plan, site)
        case_table = enrol(cases, lines_of_cases(listed, cases), plan)
    except FedGraftError as error:
        yield _failed("cohort", "manifest", error)
        return
    yield describe_cohort(case_table, None if plan is None else plan.data, site.release.min_count)
    yield from _check_rows(context, case_table) if table else _check_images(context, case_table, listed)


def _check_rows(context: CheckContext, case_table: CaseTable) -> Iterator[Section]:
    site, table = context.site, None if context.plan is None else context.plan.table
    files = TableFiles(site.limits)
    try:
        rows = look_at_rows(case_table.cases, table, files)
    except DataError:  # its text has the file's own words
        text = "a table names one of these columns twice"
        yield Section("table", (Finding("problem", "columns", text, "rename one"),))
        return
    usable = case_table.some(np.flatnonzero(rows.verdicts == USABLE).tolist())
    train = [usable.cases[at] for at in usable.positions("train")]
    told: tuple[Finding, ...] = ()
    if (
        context.chosen is not None
        and table is not None
        and table.statistics == "federated"
        and not rows.lacking
        and train
    ):
        read = TableInputs(table, files).rows(train)
        told = (what_is_told(table, read, [case.patient for case in train], site),)
        try:
            chosen = context.chosen._replace(plan=stand_in(context.chosen.plan, table, read))
            context = replace(context, chosen=chosen, model=measure.network(chosen.plan, site))
        except FedGraftError as error:
            told += (Finding("problem", "plan", str(error)),)
    yield describe_rows(case_table, rows, table, site.release.min_count, told)
    yield from check_against_plan(
        context if not rows.lacking else replace(context, model=None), usable, usable, 0, files
    )


def _check_images(context: CheckContext, case_table: CaseTable, listed: Sequence[Case]) -> Iterator[Section]:
    site, plan, number = context.site, context.plan, len(case_table.cases)
    if own_columns(listed):
        yield describe_columns(listed, site.release.min_count)
    sample = context.request.sample
    looked = case_table if sample is None else case_table.some(reading.spread(sample, range(number)))
    facts = _facts(looked, context)
    size = None if context.image is None else context.image.size
    read = reading.reading(plan, site) if context.request.pictures else None
    yield describe_images(looked, facts, number, site, size, read)
    fine = np.flatnonzero(facts["reason"] == USABLE)
    usable = looked.some(fine.tolist())
    if context.image is not None:
        # what is not looked at counts as usable, and its pixels are still to be kept
        rest = number - len(looked.cases) if site.keep == "disk" else number
        pixels = round(rest * pixel_bytes(usable.cases, facts[fine], context.image))
        yield from check_against_plan(_timed(context), usable, usable if sample is None else case_table, pixels)


def _timed(context: CheckContext) -> CheckContext:
    """With stand-ins for numbers that harmonising gets from all sites: here only the time it takes matters."""
    if context.chosen is None or context.image is None or not wants_reference(context.chosen.plan):
        return context
    plan = with_stand_in(context.chosen.plan, context.image.size, context.site.trusted)
    return replace(context, chosen=context.chosen._replace(plan=plan))


def _network(plan: Plan, site: SiteFile) -> Model | None:
    """``None`` where it has to wait for a table's statistics."""
    waits = plan.table is not None and plan.table.statistics == "federated"
    return None if waits else measure.network(plan, site)


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


def _facts(case_table: CaseTable, context: CheckContext) -> Facts:
    """Through the store of a run if there is a plan: what is decoded here need not be decoded again."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("decoding", total=len(case_table.cases))

        def advance(cases: int) -> None:
            progress.advance(task, cases)

        if context.plan is None or context.image is None:
            return reading.facts_without_plan(case_table.cases, context.site, advance)
        store = reading.store_of(context.site)
        return reading.site_images(context.plan, context.image, context.site, store, advance).facts(case_table.cases)


def _failed(title: str, what: str, error: FedGraftError) -> Section:
    return Section(title, (Finding("problem", what, str(error)),))


def check_against_plan(
    context: CheckContext, usable: CaseTable, ready: CaseTable, pixels: int = 0, files: TableFiles | None = None
) -> Iterator[Section]:
    """Readiness and cost; nothing without a plan, and no cost without its network.

    Args:
        usable: cases to measure on.
        ready: cases that a run would use, as far as is known.
        pixels: bytes of decoded images that are still to be kept.
        files: tables that have been read.
    """
    if context.chosen is None:
        return
    plan, site, request = context.chosen.plan, context.site, context.request
    yield readiness(ready, plan, site)
    if context.model is None:
        return
    places = usable.positions("train") or list(range(len(usable.cases)))
    if not places:
        yield Section(COST, (Finding("warning", "time", "no usable case to measure on"),))
        return
    sample = [usable.cases[at] for at in reading.spread(min(request.sample or MEASURED_CASES, MEASURED_CASES), places)]
    try:
        measured = measure.measure(plan, context.model, site, sample, files)
        counts = {name: len(ready.positions(name)) for name in SPLITS}
        around = surroundings(site, context.chosen, request.uplink, pixels)
        yield cost(plan, counts, measured, volume(plan, context.model), around)
    except DataError:  # its text may name a case
        text = "not measured: a case of the sample does not suit the plan, see the findings above"
        yield Section(COST, (Finding("problem", "time", text),))
    except FedGraftError as error:
        yield Section(COST, (Finding("problem", "the plan here", str(error)),))
