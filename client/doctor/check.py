"""Runs every look at a site that applies, section by section."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from fedgraft.client.doctor import columns, cost, duplicates, look, measure, quality
from fedgraft.client.doctor.cohort import describe_cohort
from fedgraft.client.doctor.deployment import describe_deployment
from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.plans import Chosen, choose_plan
from fedgraft.client.doctor.quality import Facts
from fedgraft.client.doctor.readiness import readiness
from fedgraft.client.doctor.roll import Roll, enrol
from fedgraft.client.doctor.section import Section
from fedgraft.client.doctor.shown import count_of
from fedgraft.client.machine import memory_bytes
from fedgraft.client.manifest import SPLITS, Case, read_manifest
from fedgraft.client.pseudonyms import Pseudonyms
from fedgraft.client.site import SiteFile, read_site_file
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.plan import Plan
from fedgraft.common.volume import volume

MEASURED_CASES = 32
_TABLES = (".csv", ".parquet")


@dataclass(frozen=True)
class Wish:
    """What the command was asked for.

    Attributes:
        plan: a plan file; ``None`` looks for one (`fedgraft.client.doctor.plans`).
        sample: decode only so many cases; ``None`` decodes all.
        uplink: of the line, in Mbit/s.
        pictures: whether a page will show thumbnails.
    """

    plan: Path | None = None
    sample: int | None = None
    uplink: float | None = None
    pictures: bool = True


def check_site(path: Path, wish: Wish) -> Iterator[Section]:
    """Look at the site file, its folders and coordinator, the cohort, its images or columns, and what the plan needs.

    No section but a thumbnail's holds a pixel; none holds a patient, a case's path or label.
    """
    try:
        site = read_site_file(path)
    except FedGraftError as error:
        yield _failed("site file", "site file", error)
        return
    yield Section("site file", (Finding("ok", "site file", f"site {site.name}, {path}"),))
    yield describe_deployment(site)
    try:
        chosen = choose_plan(wish.plan, path, site)
    except FedGraftError as error:
        yield _failed("plan", "plan", error)
        chosen = None
    else:
        yield _plan_section(chosen, wish)
    yield from _check_cohort(site, chosen, wish)


def _check_cohort(site: SiteFile, chosen: Chosen | None, wish: Wish) -> Iterator[Section]:
    plan = None if chosen is None else chosen.plan
    try:
        cases = read_manifest(site.manifest)
        roll = enrol(cases, range(2, len(cases) + 2), plan)
    except FedGraftError as error:
        yield _failed("cohort", "manifest", error)
        return
    least = site.release.min_count
    yield describe_cohort(roll, None if plan is None else plan.data, least)
    table = plan.table is not None if plan is not None else _is_table(cases)
    if table or any(case.columns for case in cases):
        yield columns.describe_columns(columns.own_columns(cases), roll.lines, None if plan is None else plan.table)
    usable = roll
    if not table:
        looked = roll if wish.sample is None else roll.some(look.spread(wish.sample, range(len(cases))))
        facts = _facts(looked, site)
        yield _images(roll, looked, facts, site, plan, wish)
        usable = looked.some(np.flatnonzero(facts["reason"] == 0).tolist())
    if chosen is not None:
        # cases that were not looked at count as usable
        ready = usable if wish.sample is None or table else roll
        yield readiness(ready, chosen.plan, site)
        yield _cost(usable, ready, site, chosen, wish)


def _plan_section(chosen: Chosen | None, wish: Wish) -> Section:
    if chosen is not None:
        plan = chosen.plan
        text = f"{plan.digest[:12]}, {chosen.origin}: data.task={plan.data.task}, {plan.backbone.name}, "
        return Section("plan", (Finding("ok", "plan", f"{text}{count_of(plan.rounds, 'round')}"),))
    text = "none given, and the coordinator has sent none: not checked are task, classes, splits, size of the cohort,"
    found = [Finding("warning", "plan", f"{text} time, memory, bytes and disk", "name one with --plan")]
    if wish.uplink is not None:
        found.append(Finding("problem", "--uplink", "has no effect without a plan", "add --plan, or leave it out"))
    return Section("plan", tuple(found))


def _facts(roll: Roll, site: SiteFile) -> Facts:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("decoding", total=len(roll.cases))
        return look.look(roll.cases, look.reading(), site.refuse_burned_in, lambda n: progress.advance(task, n))


def _images(roll: Roll, looked: Roll, facts: Facts, site: SiteFile, plan: Plan | None, wish: Wish) -> Section:
    fine = np.flatnonzero(facts["reason"] == 0)
    usable, good = looked.some(fine.tolist()), facts[fine]
    name = Pseudonyms(site.state).name
    findings = list(quality.refusals(looked, facts))
    if len(looked.cases) < len(roll.cases):
        text = f"only {len(looked.cases):,} of {len(roll.cases):,} cases were decoded, as --sample says"
        findings.append(
            Finding("warning", "sample", text, "duplicates and damage elsewhere are not seen; leave it out")
        )
    findings += [*quality.marks(facts), *duplicates.duplicates(usable, good, name)]
    grids, bars = [quality.refusal_grid(facts)] if len(good) < len(facts) else [], []
    if len(good):
        about, histogram = quality.intensities(usable, good)
        size_findings, size_grid = quality.sizes(good, None if plan is None else plan.data.image_size)
        findings += [about, *size_findings]
        grids.append(size_grid)
        bars += [histogram] if histogram is not None else []
    shown = look.spread(look.MOST_THUMBNAILS, range(len(good))) if wish.pictures else []
    films = look.thumbnails([usable.cases[at] for at in shown], look.reading(), name)
    return Section("images", tuple(findings), tuple(grids), tuple(bars), films)


def _cost(usable: Roll, ready: Roll, site: SiteFile, chosen: Chosen, wish: Wish) -> Section:
    plan = chosen.plan
    places = usable.positions("train") or list(range(len(usable.cases)))
    if not places:
        return Section("cost of a round", (Finding("warning", "time", "no usable case to measure on"),))
    try:
        model = measure.network(plan, site)
        sample = [usable.cases[at] for at in look.spread(min(wish.sample or MEASURED_CASES, MEASURED_CASES), places)]
        measured = measure.measure(plan, model, site, sample)
        sent = volume(plan, model)
    except DataError:  # its text may name a case
        text = "not measured: a case of the sample does not suit the plan, see the findings above"
        return Section("cost of a round", (Finding("problem", "time", text),))
    except FedGraftError as error:
        return _failed("cost of a round", "the plan here", error)
    counts = {name: len(ready.positions(name)) for name in SPLITS}
    store = site.shared_store / "backbones" / f"{chosen.backbone}.safetensors"
    around = cost.Surroundings(
        memory=memory_bytes(),
        disk=_free(site.shared_store),
        uplink=wish.uplink,
        backbone_here=chosen.backbone is not None and store.is_file(),
        on_disk=site.keep == "disk",
    )
    return cost.cost(plan, counts, measured, sent, around)


def _free(folder: Path) -> int:
    """Free bytes of the disk that a folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _is_table(cases: Sequence[Case]) -> bool:
    return all(Path(case.path).suffix.lower() in _TABLES for case in cases)


def _failed(title: str, what: str, error: FedGraftError) -> Section:
    return Section(title, (Finding("problem", what, str(error)),))
