"""A site's answer to ``query.describe``: sums over its table's columns, before there is a model."""

from __future__ import annotations

from pathlib import Path

from flwr.app import RecordDict

from fedgraft.client.cohort import split_usable
from fedgraft.client.manifest import read_manifest
from fedgraft.client.release import append_line, of_enough_patients, release_statistics
from fedgraft.client.site import SiteFile
from fedgraft.client.table_file import TableFiles
from fedgraft.client.table_inputs import TableInputs
from fedgraft.client.workspace import Workspace
from fedgraft.common.errors import WireError
from fedgraft.common.plan import Plan, from_json
from fedgraft.common.schema_data import Table
from fedgraft.common.statistics import TableStatistics, count_patients
from fedgraft.common.statistics import describe as describe_rows
from fedgraft.common.statistics_record import Description, pack_description, unpack_question


def describe(content: RecordDict, workspace: Workspace, site_file: Path, run: int) -> RecordDict:
    """Tell what plan and site file both allow, and write it down.

    Raises:
        WireError: the plan does not have the announced digest, or asks for no statistics.
        DataError: the cohort can't be used.
    """
    plan_json, digest = unpack_question(content)
    plan = from_json(plan_json)
    if plan.digest != digest:
        raise WireError("the plan does not have the digest that the coordinator announced")
    if plan.table is None or plan.table.statistics != "federated":
        raise WireError("the plan asks for no statistics of a table")
    site = workspace.site(site_file)
    found = site_statistics(plan, plan.table, site, workspace.table_files(site))
    append_line(site.state / "released.jsonl", "statistics", run, plan=digest, **_figures(plan.table, found))
    return pack_description(Description(site.name, digest, found))


def site_statistics(plan: Plan, table: Table, site: SiteFile, files: TableFiles) -> TableStatistics:
    """What may leave a site, over its training cases: those of a run of this plan; nothing if the plan holds it out."""
    inputs = TableInputs(table, files)
    train = split_usable(read_manifest(site.manifest), plan, inputs)["train"]
    rows = inputs.rows(train)
    patients = count_patients(rows, [case.patient for case in train], table)
    found = of_enough_patients(describe_rows(rows, table), patients, table, site.release)
    return found.nothing() if site.name in plan.hold_out else release_statistics(found, table, site.release)


def _figures(table: Table, found: TableStatistics) -> dict[str, object]:
    """What left, by column."""
    return {
        "numeric": {
            name: {"cases": one.count, "mean": one.mean, "m2": one.m2}
            for name, one in zip(table.numeric, found.numeric, strict=True)
        },
        "categories": {name: dict(counts) for name, counts in zip(table.categorical, found.categories, strict=True)},
    }
