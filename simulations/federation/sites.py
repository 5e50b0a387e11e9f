"""Simulated hospitals: each is a folder with the ``site.yaml`` and ``manifest.csv`` that a real one has.

So a simulated site runs the code of a deployed one, and can be deployed: ``fedgraft site start --site
<folder>/site.yaml`` needs only a coordinator's address and a key.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.client.site.machine import cores
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.common.plan.sections import EngineSection
from fedgraft.simulations.datasets.source import Source, data_root, load_source


@dataclass(frozen=True)
class Partitioned:
    """``sites``: each one's cases, in the order of their names. ``test``: cases kept at the coordinator. ``files``: as
    `Source.site_files`."""

    sites: dict[str, tuple[Case, ...]]
    test: tuple[Case, ...]
    files: Mapping[str, SiteFile] = field(default_factory=dict)


_NO_SOURCE = (
    "{name}._target_ is missing: this is a plan for hospitals, whose site files name their cases; to simulate it, say "
    "what data set and partition to use"
)


@dataclass(frozen=True)
class SimulatedSites:
    """``sites``: each one's site file, in the order of their names. ``test``: cases kept at the coordinator.
    ``store``: a folder that all sites share."""

    sites: dict[str, Path]
    cases: int
    test: tuple[Case, ...]
    store: Path


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where generated and computed data is kept: ``FEDGRAFT_CACHE``, or ``~/.cache/fedgraft``."""
    return Path(environ.get("FEDGRAFT_CACHE") or Path.home() / ".cache" / "fedgraft").resolve()


def lay_out(plan: Plan, folder: Path, environ: Mapping[str, str]) -> SimulatedSites:
    """Get the plan's data set, deal its cases to sites, and write the sites' folders below ``folder``.

    Raises:
        DataError, PlanError: as `deal`.
    """
    return write_sites(plan, deal(plan, environ), folder, environ)


def deal(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
    """Get the plan's data set, and deal its cases to sites.

    Raises:
        DataError: the data set is neither there nor to be had.
        PlanError: as `deal_source`, or the plan names no data set.
    """
    if plan.data.target is None:
        raise PlanError(_NO_SOURCE.format(name="data"))
    trusted = plan.engine.trusted
    source = load_source(plan.to_dict()["data"], data_root(environ), cache_folder(environ), plan.seed, trusted)
    return deal_source(plan, source)


def deal_source(plan: Plan, source: Source) -> Partitioned:
    """Deal the cases of a data set to sites, as a plan says.

    Raises:
        PlanError: a site would be left without cases, or the coordinator without its test set.
    """
    if plan.partition.target is None:
        raise PlanError(_NO_SOURCE.format(name="partition"))
    if plan.data.test == "coordinator" and not source.test:
        raise PlanError("data.test=coordinator: this data set has no official test set; use data.test=sites")
    source = _with_pooled_test(source) if plan.data.test == "sites" else source
    _check_given(plan.data.test, source)
    dealt: dict[str, tuple[Case, ...]] = parts.build(
        plan.partition.target,
        "partition",
        plan.partition.options,
        plan.engine.trusted,
        source=source,
        seed=plan.seed,
        task=tasks.of(plan.data),
    )
    _check_scanners(plan, dealt)
    _check_sites(plan, sorted(dealt))
    test = source.test if plan.data.test == "coordinator" else ()
    return Partitioned(dict(sorted(dealt.items())), test, source.site_files)


def write_sites(plan: Plan, dealt: Partitioned, folder: Path, environ: Mapping[str, str]) -> SimulatedSites:
    """The sites' folders below ``folder``."""
    store = cache_folder(environ) / "store"
    sites = {
        name: _write_site(folder / name, cases, store, plan.engine, dealt.files.get(name))
        for name, cases in dealt.sites.items()
    }
    return SimulatedSites(sites, sum(map(len, dealt.sites.values())), dealt.test, store)


def _check_sites(plan: Plan, names: list[str]) -> None:
    """
    Raises:
        PlanError: a site to be held out is not there, or too few are left to train.
    """
    unknown = [name for name in plan.hold_out if name not in names]
    if unknown:
        raise PlanError(f"hold_out names {', '.join(unknown)}, but the partition's sites are {', '.join(names)}")
    least, count = plan.strategy.min_sites, len(names) - len(plan.hold_out)
    if least > count:
        left = f", of which {len(plan.hold_out)} are held out" if plan.hold_out else ""
        raise PlanError(f"strategy.min_sites={least}, but the partition has {len(names)} site(s){left}")


def _check_given(test: str, source: Source) -> None:
    """Whether who splits the cases is who the plan says.

    Raises:
        PlanError: it is not.
    """
    given = all(case.split is not None for case in source.cases)
    if given and test == "sites":
        raise PlanError(
            "this data set brings its own split: data.val_fraction and data.test_fraction would have no effect; "
            "set data.test=given data.val_fraction=0 data.test_fraction=0"
        )
    if not given and test == "given":
        raise PlanError("data.test=given: this data set brings no split of its own; use data.test=sites")


def _check_scanners(plan: Plan, dealt: Mapping[str, tuple[Case, ...]]) -> None:
    """Whether ``alignment.column`` tells scanners of some site apart.

    Raises:
        PlanError: every site has one value in it, or none.
    """
    column = plan.alignment.column
    if column is not None and all(
        len({case.column(column) for case in some} - {None, ""}) < 2 for some in dealt.values()
    ):
        raise PlanError(
            f"alignment.column={column} has no effect: at no site does that column hold two values; set it to null"
        )


_KEPT_OF_A_SITE_FILE = ("release", "limits", "refuse_burned_in")


def _write_site(
    folder: Path, cases: tuple[Case, ...], store: Path, engine: EngineSection, like: SiteFile | None
) -> Path:
    """A site's folder; what leaves it and what it refuses is as in the site file that it had, if any."""
    folder = folder.resolve()
    if folder.exists():
        shutil.rmtree(folder)  # an earlier run in the same folder left its local tensors
    write_manifest(folder / "manifest.csv", cases)
    path = folder / "site.yaml"
    kept = {} if like is None else {name: getattr(like, name) for name in _KEPT_OF_A_SITE_FILE}
    site = SiteFile(
        name=folder.name,
        manifest=Path("manifest.csv"),  # relative to the file, so that the folder can be moved
        state=Path("state"),
        store=store,
        keep=engine.store,
        device=engine.device,
        threads=min(engine.threads, cores()) if engine.threads else 1 if engine.name == "ray" else None,
        workers=engine.workers,
        batch=engine.batch,
        allow=engine.allow,
        **kept,
    )
    write_site_file(path, site)
    return path


def _with_pooled_test(source: Source) -> Source:
    """``data.test=sites``: an official test set joins the pool, and each site splits off test cases of its own."""
    if not source.test or source.site_of is not None:
        return source
    return replace(source, cases=(*source.cases, *source.test), test=())
