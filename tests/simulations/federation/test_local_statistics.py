"""What sites know of a table's columns, before a run asks them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.errors import PlanError
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.federation.local_statistics import without_unknown

PlanOf = Callable[..., Plan]
Sites = Callable[..., list[Path]]


def known(plan: Plan, files: list[Path]) -> tuple[Plan, tuple[str, ...]]:
    return without_unknown(plan, {file.parent.name: file for file in files})


def test_columns_that_nobody_measured_are_left_out(table_plan: PlanOf, table_sites: Sites) -> None:
    files = table_sites(2, 40)
    for file in files:
        table = file.parent / "table.csv"
        lines = [line.split(",") for line in table.read_text().replace('"1,5"', "?").splitlines()]
        table.write_text(
            "\n".join(",".join([age, "?" * (n > 0) or name, sex]) for n, (age, name, sex) in enumerate(lines))
        )
    plan, dropped = known(table_plan(), files)
    assert dropped == ("pressure",)
    assert plan.table is not None and (plan.table.numeric, plan.table.categorical) == (("age",), ("sex",))


def test_sites_too_small_to_tell_of_any_column_are_an_error_that_says_so(
    table_plan: PlanOf, table_sites: Sites
) -> None:
    """Their site files' min_count is 5; of four patients they train on fewer."""
    with pytest.raises(PlanError) as caught:
        known(table_plan(), table_sites(2, 4))
    assert caught.value.problems == (
        "no column of the table is known: of none did site-0, site-1 tell anything, since a site tells of a column "
        "only if 2 patients (table.min_count, or its own release.min_count) have values among its training cases, and "
        "if release.statistics allows it; use sites with more patients, or give the numbers with table.statistics=plan",
    )
