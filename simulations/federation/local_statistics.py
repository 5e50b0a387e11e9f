"""Compute federated statistics directly from simulated sites, for callers that need a model before any run.

For images, which would all have to be decoded, placeholder numbers are used: the model does not depend on them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from fedgraft.client.app.statistics import images_of, site_means, site_statistics
from fedgraft.client.features.extraction import ignore
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import read_site_file
from fedgraft.client.tables.files import TableFiles
from fedgraft.common.errors import PlanError
from fedgraft.common.harmonisation.image_statistics import pooled_means
from fedgraft.common.harmonisation.reference import harmony_of, wants_reference, with_reference, with_stand_in
from fedgraft.common.models.timm_backbone import input_spec
from fedgraft.common.plan.plan import Plan
from fedgraft.common.tables.statistics import merge_all, resolved
from fedgraft.simulations.federation.sites import lay_out


def with_local_statistics(plan: Plan, sites: Mapping[str, Path]) -> Plan:
    """The plan with the statistics that a run over these sites would ask for; for images, with placeholders.

    Args:
        sites: site files by name.

    Raises:
        PlanError: no site releases anything of a column.
        DataError: a cohort can't be used.
    """
    table = plan.table
    if wants_reference(plan):
        size = input_spec(plan.backbone, plan.data.image_size).size
        return with_stand_in(plan, size, plan.engine.trusted)
    if table is None or table.statistics == "plan":
        return plan
    files, told = TableFiles(), sorted(set(sites) - set(plan.hold_out))
    found = [site_statistics(plan, table, read_site_file(sites[name]), files) for name in told]
    return replace(plan, table=resolved(table, merge_all(found, table)))


def without_unknown(plan: Plan, sites: Mapping[str, Path]) -> tuple[Plan, tuple[str, ...]]:
    """The plan without the columns that no training site has a known value of, and these columns' names.

    A study uses this for baselines in which only some hospitals train.

    Raises:
        PlanError: they have no known value of any column.
    """
    table = plan.table
    if table is None or table.statistics == "plan":
        return plan, ()
    files = TableFiles()
    names = [name for name in sorted(sites) if name not in plan.hold_out]
    found = merge_all([site_statistics(plan, table, read_site_file(sites[name]), files) for name in names], table)
    numeric = tuple(name for name, one in zip(table.numeric, found.numeric, strict=True) if one.count)
    categorical = tuple(name for name, counts in zip(table.categorical, found.categories, strict=True) if counts)
    dropped = tuple(name for name in (*table.numeric, *table.categorical) if name not in (*numeric, *categorical))
    if not numeric and not categorical:
        raise PlanError(
            f"no column of the table is known: of none did {', '.join(names)} tell anything, since a site tells of a "
            f"column only if {table.min_count} patients (table.min_count, or its own release.min_count) have values "
            "among its training cases, and if release.statistics allows it; use sites with more patients, or give the "
            "numbers with table.statistics=plan"
        )
    return replace(plan, table=replace(table, numeric=numeric, categorical=categorical)), dropped


def statistics_of_simulation(plan: Plan, environ: Mapping[str, str]) -> Plan:
    """`with_local_statistics` for the sites that ``fedgraft simulate`` would write."""
    if plan.table is None or plan.table.statistics == "plan":
        return plan
    with tempfile.TemporaryDirectory(prefix="fedgraft-plan-") as folder:
        return with_local_statistics(plan, lay_out(plan, Path(folder), environ).sites)


def with_local_means(plan: Plan, sites: Mapping[str, Path], store: Store) -> Plan:
    """The plan with the image means that a run over these sites would ask for; decodes all their training images.

    Args:
        sites: site files by name.
        store: the store in which they keep decoded images.

    Raises:
        PlanError: no site releases anything.
        DataError: a cohort can't be used.
    """
    harmony = harmony_of(plan, plan.engine.trusted)
    if harmony is None or not wants_reference(plan):
        return plan
    told = [read_site_file(sites[name]) for name in sorted(set(sites) - set(plan.hold_out))]
    return with_reference(
        plan, pooled_means([site_means(plan, site, images_of(plan, site, store, ignore), harmony) for site in told])
    )
