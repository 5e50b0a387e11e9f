"""Federated statistics of a table over simulated sites, for what needs a model before a run asks for them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fedgraft.client.describe import site_statistics
from fedgraft.client.site import read_site_file
from fedgraft.client.table_file import TableFiles
from fedgraft.common.plan import Plan
from fedgraft.common.statistics import merge_all, resolved
from fedgraft.simulations.federation import lay_out


def with_local_statistics(plan: Plan, sites: Mapping[str, Path]) -> Plan:
    """The plan that a run over these sites would follow, if all of them answer.

    Args:
        sites: site files by name.

    Raises:
        PlanError: of a column nothing is known from any site.
        DataError: a cohort can't be used.
    """
    table = plan.table
    if table is None or table.statistics == "plan":
        return plan
    files = TableFiles()
    found = [site_statistics(plan, table, read_site_file(sites[name]), files) for name in sorted(sites)]
    return replace(plan, table=resolved(table, merge_all(found, table)))


def statistics_of_simulation(plan: Plan, environ: Mapping[str, str]) -> Plan:
    """`with_local_statistics` of the sites that `fedgraft simulate` would lay out."""
    if plan.table is None or plan.table.statistics == "plan":
        return plan
    with tempfile.TemporaryDirectory(prefix="fedgraft-plan-") as folder:
        return with_local_statistics(plan, lay_out(plan, Path(folder), environ).sites)
