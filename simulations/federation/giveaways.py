"""Sentences on columns that give the label away, over all cases of a simulated federation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fedgraft.client.check.sections.columns import own_columns
from fedgraft.client.check.sections.tables import look_at_rows
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.giveaways import Columns, giveaways
from fedgraft.client.cohort.units import unit_names
from fedgraft.client.site.limits import Limits
from fedgraft.client.tables.files import TableFiles
from fedgraft.common import tasks
from fedgraft.common.plan.plan import Plan

MOST_NAMED = 5


def giveaway_sentences(plan: Plan, sites: Mapping[str, Sequence[Case]]) -> list[str]:
    """A sentence for each column that tells the label: of those that the network reads, if it reads a table, else of
    the manifest's other columns (scanner, view, ...), whose trace it may see.

    Raises:
        DataError: a table names one of the columns twice.
    """
    task, read = tasks.of(plan.data), plan.table is not None
    cases, columns = _merged([_columns(plan, some) for some in sites.values()])
    absent = () if plan.table is None else plan.table.missing
    found = giveaways(columns, task.outcomes(cases), unit_names(cases), read, absent)
    said = [
        f"the column `{one.column}` alone tells {one.outcome} with an AUROC of {one.auroc:.3f}"
        + (
            ": is it known before the diagnosis? If not, leave it out"
            if read
            else ", and the network may see its trace: look at figures within each of its values"
        )
        for one in found[:MOST_NAMED]
    ]
    more = [one.column for one in found[MOST_NAMED:]]
    return [*said, f"so do {', '.join(more)}"] if more else said


def _columns(plan: Plan, cases: Sequence[Case]) -> tuple[Sequence[Case], Columns]:
    """A site's cases whose cells can be read, and these."""
    if plan.table is None:
        without = tasks.of(plan.data).manifest_columns
        return cases, {name: cells for name, cells in own_columns(cases).items() if name not in without}
    rows = look_at_rows(cases, plan.table, TableFiles(Limits()))
    used = (*plan.table.numeric, *plan.table.categorical)
    return [cases[at] for at in rows.readable], {name: rows.columns[name] for name in used if name in rows.columns}


def _merged(parts: Sequence[tuple[Sequence[Case], Columns]]) -> tuple[list[Case], Columns]:
    """All sites' cases; a column that a site lacks is empty there. A column with one value at each site is the site's
    name in other words, of which the run warns by itself, and is left out."""
    names = dict.fromkeys(name for _, columns in parts for name, cells in columns.items() if len(set(cells)) > 1)
    merged = {name: [cell for some, cells in parts for cell in cells.get(name, [""] * len(some))] for name in names}
    return [case for some, _ in parts for case in some], merged
