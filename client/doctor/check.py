"""Runs every look at a site that applies, section by section."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from fedgraft.client.doctor import look, measure
from fedgraft.client.doctor.cohort import describe_cohort
from fedgraft.client.doctor.columns import describe_columns, own_columns
from fedgraft.client.doctor.cost import cost
from fedgraft.client.doctor.deployment import describe_deployment
from fedgraft.client.doctor.finding import Finding
from fedgraft.client.doctor.pictures import describe_images
from fedgraft.client.doctor.plans import Chosen, choose_plan
from fedgraft.client.doctor.quality import Facts
from fedgraft.client.doctor.readiness import readiness
from fedgraft.client.doctor.roll import Roll, enrol
from fedgraft.client.doctor.section import Section
from fedgraft.client.doctor.shown import count_of
from fedgraft.client.doctor.surroundings import pixel_bytes, surroundings
from fedgraft.client.facts import USABLE
from fedgraft.client.manifest import SPLITS, Case, read_manifest
from fedgraft.client.site import SiteFile, read_site_file
from fedgraft.common.backbone import InputSpec
from fedgraft.common.errors import DataError, FedGraftError
from fedgraft.common.model import Model
from fedgraft.common.plan import Plan
from fedgraft.common.volume import volume

COST = "cost of a round"
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


@dataclass(frozen=True)
class Study:
    """A site, the plan that it is checked against, and that plan's network; ``None`` if there is none or it can't be
    used here."""

    site: SiteFile
    chosen: Chosen | None
    model: Model | None
    wish: Wish

    @property
    def plan(self) -> Plan | None:
        return None if self.chosen is None else self.chosen.plan

    @property
    def image(self) -> InputSpec | None:
        """What the plan's network takes, if that is images."""
        spec = None if self.model is None else self.model.spec
        return spec if isinstance(spec, InputSpec) else None


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
    study = Study(site, None, None, wish)
    try:
        chosen = choose_plan(wish.plan, path, site)
        study = Study(site, chosen, None if chosen is None else measure.network(chosen.plan, site), wish)
        yield _plan_section(chosen, wish)
    except FedGraftError as error:
        yield _failed("plan", "plan", error)
    try:
        yield from _check_cohort(study)
    except (OSError, DataError) as error:  # what can be wrong with a case is a finding; this is a folder
        reason = error.strerror if isinstance(error, OSError) else type(error.__cause__ or error).__name__
        text = f"the state or store folder can't be written or read ({reason})"
        yield Section("cohort", (Finding("problem", "folders", text, "see `state` and `store` above"),))


def _check_cohort(study: Study) -> Iterator[Section]:
    site, plan = study.site, study.plan
    try:
        cases = read_manifest(site.manifest)
        roll = enrol(cases, range(2, len(cases) + 2), plan)
    except FedGraftError as error:
        yield _failed("cohort", "manifest", error)
        return
    yield describe_cohort(roll, None if plan is None else plan.data, site.release.min_count)
    table = plan.table is not None if plan is not None else _is_table(cases)
    if table or any(case.columns for case in cases):
        yield describe_columns(own_columns(cases), roll.lines, None if plan is None else plan.table)
    if table:
        yield from _check_against_plan(study, roll, roll, 0)
        return
    sample = study.wish.sample
    looked = roll if sample is None else roll.some(look.spread(sample, range(len(cases))))
    facts = _facts(looked, study)
    size = None if study.image is None else study.image.size
    read = look.reading(plan, site) if study.wish.pictures else None
    yield describe_images(looked, facts, len(cases), site, size, read)
    fine = np.flatnonzero(facts["reason"] == USABLE)
    usable = looked.some(fine.tolist())
    if study.image is not None:
        # what is not looked at counts as usable, and its pixels are still to be kept
        rest = len(cases) - len(looked.cases) if site.keep == "disk" else len(cases)
        pixels = round(rest * pixel_bytes(usable.cases, facts[fine], study.image))
        yield from _check_against_plan(study, usable, usable if sample is None else roll, pixels)


def _check_against_plan(study: Study, usable: Roll, ready: Roll, pixels: int) -> Iterator[Section]:
    """Whether the cohort is large enough, and what a round costs.

    Args:
        usable: cases to measure on.
        ready: cases that a run would use, as far as is known.
        pixels: bytes of decoded images that are still to be kept.
    """
    if study.chosen is None or study.model is None:
        return
    plan, site, wish = study.chosen.plan, study.site, study.wish
    yield readiness(ready, plan, site)
    places = usable.positions("train") or list(range(len(usable.cases)))
    if not places:
        yield Section(COST, (Finding("warning", "time", "no usable case to measure on"),))
        return
    sample = [usable.cases[at] for at in look.spread(min(wish.sample or MEASURED_CASES, MEASURED_CASES), places)]
    try:
        measured = measure.measure(plan, study.model, site, sample)
        counts = {name: len(ready.positions(name)) for name in SPLITS}
        around = surroundings(site, study.chosen, wish.uplink, pixels)
        yield cost(plan, counts, measured, volume(plan, study.model), around)
    except DataError:  # its text may name a case
        text = "not measured: a case of the sample does not suit the plan, see the findings above"
        yield Section(COST, (Finding("problem", "time", text),))
    except FedGraftError as error:
        yield _failed(COST, "the plan here", error)


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


def _facts(roll: Roll, study: Study) -> Facts:
    """Through the store of a run if there is a plan: what is decoded here need not be decoded again."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("decoding", total=len(roll.cases))

        def advance(cases: int) -> None:
            progress.advance(task, cases)

        if study.plan is None or study.image is None:
            return look.facts_without_plan(roll.cases, study.site, advance)
        store = look.store_of(study.site)
        return look.site_images(study.plan, study.image, study.site, store, advance).facts(roll.cases)


def _is_table(cases: Sequence[Case]) -> bool:
    return all(Path(case.path).suffix.lower() in _TABLES for case in cases)


def _failed(title: str, what: str, error: FedGraftError) -> Section:
    return Section(title, (Finding("problem", what, str(error)),))
