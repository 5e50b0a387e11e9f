"""A site's answer to ``query.describe``: sums over its table's columns, or means over its images (for harmonising),
before there is a model."""

from __future__ import annotations

from pathlib import Path

import torch
from flwr.app import RecordDict

from fedgraft.client.app.workspace import Workspace
from fedgraft.client.cohort.inputs import Progress
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.client.features.extraction import split_usable
from fedgraft.client.images.inputs import ImageInputs, image_inputs
from fedgraft.client.site.release import append_line, may_release_means, of_enough_patients, release_statistics
from fedgraft.client.site.row_store import Store
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.tables.files import TableFiles
from fedgraft.client.tables.inputs import TableInputs
from fedgraft.common.errors import WireError
from fedgraft.common.harmonisation.image_statistics import ImageStatistics
from fedgraft.common.harmonisation.reference import Harmony, harmony_of, require_reference_fits, wants_reference
from fedgraft.common.models.timm_backbone import input_spec
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.plan.plan import Plan, from_json
from fedgraft.common.tables.statistics import TableStatistics, count_patients
from fedgraft.common.tables.statistics import describe as describe_rows
from fedgraft.common.wire.statistics import pack_description, pack_image_description, unpack_question

_AT_ONCE = 64


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
    site = workspace.site(site_file)
    log = site.state / "released.jsonl"
    if plan.table is not None and plan.table.statistics == "federated":
        found = site_statistics(plan, plan.table, site, workspace.table_files(site))
        append_line(log, "statistics", run, plan=digest, **_figures(plan.table, found))
        return pack_description(site.name, digest, found)
    harmony = harmony_of(plan, site.trusted)
    if harmony is None or not wants_reference(plan):
        raise WireError("the plan asks for no statistics of a table, and for none of images")
    means = site_means(plan, site, images_of(plan, site, workspace.store(site), workspace.decoded), harmony)
    append_line(log, "statistics", run, plan=digest, images={"cases": means.cases, "means": list(means.means)})
    return pack_image_description(site.name, digest, means)


def site_statistics(plan: Plan, table: TableSection, site: SiteFile, files: TableFiles) -> TableStatistics:
    """What may leave a site, over its training cases: those of a run of this plan; nothing if the plan holds it out."""
    inputs = TableInputs(table, files)
    train = split_usable(read_manifest(site.manifest), plan, inputs)["train"]
    rows = inputs.rows(train)
    patients = count_patients(rows, [case.patient for case in train], table)
    found = of_enough_patients(describe_rows(rows, table), patients, table, site.release)
    return found.nothing() if site.name in plan.hold_out else release_statistics(found, table, site.release)


def _figures(table: TableSection, found: TableStatistics) -> dict[str, object]:
    """What left, by column."""
    return {
        "numeric": {
            name: {"cases": one.count, "mean": one.mean, "m2": one.m2}
            for name, one in zip(table.numeric, found.numeric, strict=True)
        },
        "categories": {name: dict(counts) for name, counts in zip(table.categorical, found.categories, strict=True)},
    }


def images_of(plan: Plan, site: SiteFile, store: Store, decoded: Progress) -> ImageInputs:
    """A site's images as a run takes them, before there is a model: what is decoded here need not be decoded again."""
    spec = input_spec(plan.backbone, plan.data.image_size)
    return image_inputs(plan, spec, site.rules, store, site.workers, decoded, site.trusted)


def site_means(plan: Plan, site: SiteFile, inputs: ImageInputs, harmony: Harmony) -> ImageStatistics:
    """What may leave a site: means over its training images, those of a run of this plan, each as it is (no views).

    Raises:
        PlanError: an image takes more numbers than may travel.
        DataError: the cohort can't be used.
    """
    require_reference_fits(plan, inputs.intake.spec, site.trusted)
    if site.name in plan.hold_out:
        return ImageStatistics()
    train = split_usable(inputs.expanded(read_manifest(site.manifest)), plan, inputs)["train"]
    if not may_release_means(len({case.patient for case in train}), site.release):
        return ImageStatistics()
    total = torch.zeros(harmony.numbers(inputs.intake.spec.size), dtype=torch.float64)
    for start in range(0, len(train), _AT_ONCE):
        for image in inputs.intake.images(train[start : start + _AT_ONCE]):
            total += harmony.harmoniser.describe(image)
    return ImageStatistics(len(train), tuple((total / len(train)).tolist()))
