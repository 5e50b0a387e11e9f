"""Findings on columns that give the label away."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import shown
from fedgraft.client.check.report import Finding
from fedgraft.client.cohort.giveaways import LEAKS, Columns, giveaways
from fedgraft.client.cohort.units import unit_names


def telling_columns(
    case_table: CaseTable, columns: Columns, read: bool, absent: Collection[str] = ()
) -> Iterator[Finding]:
    """A warning for each column that tells an outcome.

    Args:
        columns: cells by column, one per case of the case table.
        read: whether the network reads the columns.
    """
    for one in giveaways(columns, case_table.outcomes, unit_names(case_table.cases), read, absent):
        text = f"by {shown(one.column)} alone, {shown(one.outcome)} is told with an AUROC of {one.auroc:.3f}"
        todo = "is it known before the diagnosis? If not, leave it out of the plan's table"
        if not read:
            todo = "figures within each of its values show whether the network sees more than this"
            if one.auroc >= LEAKS:
                todo = "the network may see its trace in the images, and learn nothing of the disease; " + todo
        yield Finding("warning", "label given away", text, todo)
