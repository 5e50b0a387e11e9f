"""How a cohort is checked, by the kind of its cases: images, rows of a table, notes, or any other kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.progress import Progress

from fedgraft.client.check import reading
from fedgraft.client.check.against_plan import check_against_plan, network
from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.measure import pixel_bytes
from fedgraft.client.check.outcomes import target_columns
from fedgraft.client.check.report import Finding, Section
from fedgraft.client.check.request import CheckContext
from fedgraft.client.check.sections.columns import own_columns
from fedgraft.client.check.sections.giveaways import telling_columns
from fedgraft.client.check.sections.images import describe_images
from fedgraft.client.check.sections.notes.section import describe_notes
from fedgraft.client.check.sections.quarantine import refusal_grid, refusals
from fedgraft.client.check.sections.statistics import stand_in, what_is_told
from fedgraft.client.check.sections.tables import Rows, describe_columns, describe_rows, is_table, look_at_rows
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.images.factory import ImageFactory
from fedgraft.client.images.facts import Facts
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.tables.factory import TableFactory
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.client.text.factory import TextFactory
from fedgraft.client.text.inputs import TextInputs
from fedgraft.client.text.notes import TEXT_FILE
from fedgraft.common import tasks
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.interfaces.features import KeepsWindows
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan import parts
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan


class Look(NamedTuple):
    """How cases of one kind are checked.

    Attributes:
        cases: turns the manifest's lines into cases, as a run does; without a plan, as the files themselves say.
        sections: makes the sections of the page from the cases and the manifest's lines.
    """

    cases: Callable[[Sequence[Case], Plan | None, SiteFile], Sequence[Case]]
    sections: Callable[[CheckContext, CaseTable, Sequence[Case]], Iterator[Section]]


def look_of(listed: Sequence[Case], plan: Plan | None, site: SiteFile) -> Look:
    """The check for the plan's kind of input; without a plan, for the kind that the manifest seems to list.

    Raises:
        PlanError: the plan's kind of input is not allowed here.
    """
    if plan is None:
        return ROWS if is_table(listed, site.manifest) else IMAGES
    return _LOOKS.get(kind_of(plan, site.trusted).facts().factory, ANY)


def _check_rows(context: CheckContext, case_table: CaseTable, listed: Sequence[Case]) -> Iterator[Section]:
    site, table = context.site, None if context.plan is None else context.plan.table
    files = context.factory(TableFactory).files(site.limits)
    try:
        rows = look_at_rows(case_table.cases, table, files)
    except DataError:  # its text quotes the file
        text = "a table names one of these columns twice"
        yield Section("table", (Finding("problem", "columns", text, "rename one"),))
        return
    usable = case_table.some(np.flatnonzero(rows.verdicts == USABLE).tolist())
    train = [usable.cases[at] for at in usable.positions("train")]
    told = tuple(_given_away(case_table.some(rows.readable), rows, table))
    if (
        context.chosen is not None
        and table is not None
        and table.statistics == "federated"
        and not rows.lacking
        and train
    ):
        read = TableInputs(table, files).rows(train)
        told += (what_is_told(table, read, [case.patient for case in train], site),)
        try:
            chosen = context.chosen._replace(plan=stand_in(context.chosen.plan, table, read))
            context = replace(context, chosen=chosen, model=network(chosen.plan, site))
        except FedGraftError as error:
            told += (Finding("problem", "plan", str(error)),)
    yield describe_rows(case_table, rows, table, site.release.min_count, told)
    yield from check_against_plan(context if not rows.lacking else replace(context, model=None), usable, usable)


def _given_away(readable: CaseTable, rows: Rows, table: TableSection | None) -> Iterator[Finding]:
    """Findings on the columns that the network reads, without a plan on all."""
    if table is None:
        return telling_columns(readable, rows.columns, read=True)
    used = {name: cells for name, cells in rows.columns.items() if name in (*table.numeric, *table.categorical)}
    return telling_columns(readable, used, read=True, absent=table.missing)


def _check_images(context: CheckContext, case_table: CaseTable, listed: Sequence[Case]) -> Iterator[Section]:
    site, plan, number = context.site, context.plan, len(case_table.cases)
    if own_columns(listed):
        without = target_columns(None if plan is None else tasks.of(plan.data))
        seen = {name: cells for name, cells in own_columns(case_table.cases).items() if name not in without}
        more = tuple(telling_columns(case_table, seen, read=False))
        yield describe_columns(listed, site.release.min_count, more)
    sample = context.request.sample
    looked = case_table if sample is None else case_table.some(reading.spread(sample, range(number)))
    facts = _facts(looked, context)
    size = None if context.image is None else context.image.size
    read = reading.reading(plan, site) if context.request.pictures else None
    yield describe_images(looked, facts, number, site, size, read)
    fine = np.flatnonzero(facts["reason"] == USABLE)
    usable = looked.some(fine.tolist())
    if context.image is not None:
        # cases outside the sample count as usable, and their pixels have yet to be stored
        rest = number - len(looked.cases) if site.keep == "disk" else number
        pixels = round(rest * pixel_bytes(usable.cases, facts[fine], context.image))
        yield from check_against_plan(context, usable, usable if sample is None else case_table, pixels)


def _facts(case_table: CaseTable, context: CheckContext) -> Facts:
    """Facts of each image; with a plan, decoded images are kept in the run's store and not decoded again."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("decoding", total=len(case_table.cases))

        def advance(cases: int) -> None:
            progress.advance(task, cases)

        if context.plan is None or context.image is None:
            return reading.facts_without_plan(case_table.cases, context.site, advance)
        return reading.site_images(context.plan, context.site, advance).facts(case_table.cases)


def _check_notes(context: CheckContext, case_table: CaseTable, listed: Sequence[Case]) -> Iterator[Section]:
    site, plan = context.site, context.plan
    assert plan is not None  # without one, cases are images or rows
    inputs = reading.site_inputs(plan, site, reading.store_of(site), context.factories)
    assert isinstance(inputs, TextInputs)
    without = {inputs.reader.column, TEXT_FILE}
    bare = [replace(case, columns=tuple(one for one in case.columns if one[0] not in without)) for case in listed]
    if own_columns(bare):
        truth = target_columns(tasks.of(plan.data))
        seen = {name: cells for name, cells in own_columns(bare).items() if name not in truth}
        yield describe_columns(bare, site.release.min_count, tuple(telling_columns(case_table, seen, read=False)))
    verdicts = inputs.verdicts(case_table.cases)
    reads = parts.chosen(plan.features, "features", site.trusted)
    kept = reads.most if isinstance(reads, KeepsWindows) else None
    yield describe_notes(case_table, verdicts, inputs, site, kept)
    usable = case_table.some(np.flatnonzero(verdicts == USABLE).tolist())
    yield from check_against_plan(context, usable, usable)


def _check_any(context: CheckContext, case_table: CaseTable, listed: Sequence[Case]) -> Iterator[Section]:
    """The check for any other kind of input: which cases can be used, and what they cost."""
    assert context.plan is not None  # without one, cases are images or rows
    one = kind_of(context.plan, context.site.trusted).facts().one
    verdicts = reading.site_inputs(
        context.plan, context.site, reading.store_of(context.site), context.factories
    ).verdicts(case_table.cases)
    usable = case_table.some(np.flatnonzero(verdicts == USABLE).tolist())
    grids = (refusal_grid(verdicts, one),) if len(usable.cases) < len(case_table.cases) else ()
    yield Section(f"{one}s", refusals(case_table.lines, verdicts, one), grids)
    yield from check_against_plan(context, usable, usable)


def _as_listed(listed: Sequence[Case], plan: Plan | None, site: SiteFile) -> Sequence[Case]:
    return listed


def _expanded_by_factory(listed: Sequence[Case], plan: Plan | None, site: SiteFile) -> Sequence[Case]:
    assert plan is not None
    return reading.site_inputs(plan, site, reading.store_of(site)).expanded(listed)


ROWS = Look(_as_listed, _check_rows)
IMAGES = Look(reading.expanded, _check_images)
NOTES = Look(_as_listed, _check_notes)
ANY = Look(_expanded_by_factory, _check_any)
_LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        f"{factory.__module__}.{factory.__qualname__}": look
        for factory, look in ((TableFactory, ROWS), (ImageFactory, IMAGES), (TextFactory, NOTES))
    }
)
