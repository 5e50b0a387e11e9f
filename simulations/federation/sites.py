"""Write simulated hospitals: each is a folder with a ``site.yaml`` and a ``manifest.csv``, as a real one has.

A simulated site therefore runs the code of a deployed one, and can be deployed: ``fedgraft site start --site
<folder>/site.yaml`` needs only a coordinator's address and a key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fedgraft.client.account.secret import write_seed
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.manifest import write_manifest
from fedgraft.client.site.bounds import UNBOUNDED
from fedgraft.client.site.machine import cores
from fedgraft.client.site.site_file import Fractions, ReleasePolicy, SiteFile, write_site_file
from fedgraft.common import tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import parts
from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.datasets.source import Source, data_root, load_source
from fedgraft.simulations.federation.site_folders import make_place, mark, require_apart


@dataclass(frozen=True)
class Partitioned:
    """A data set partitioned over sites.

    ``sites``: cases by site, sorted by name. ``test``: cases kept at the coordinator. ``files``: as
    `Source.site_files`. ``notes``: as `Source.notes`.
    """

    sites: dict[str, tuple[Case, ...]]
    test: tuple[Case, ...]
    files: Mapping[str, SiteFile] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


_NO_SOURCE = (
    "{name}._target_ is missing: this is a plan for hospitals, whose site files name their cases; to simulate it, say "
    "what data set and partition to use"
)


@dataclass(frozen=True)
class SimulatedSites:
    """Simulated sites on disk.

    ``sites``: site files by name, sorted. ``cases``: of all sites. ``test``: cases kept at the coordinator. ``store``:
    the folder that all sites share. ``notes``: as `Source.notes`.
    """

    sites: dict[str, Path]
    cases: int
    test: tuple[Case, ...]
    store: Path
    notes: tuple[str, ...] = ()


def cache_folder(environ: Mapping[str, str]) -> Path:
    """The folder for generated and computed data: ``FEDGRAFT_CACHE``, or ``~/.cache/fedgraft``."""
    return Path(environ.get("FEDGRAFT_CACHE") or Path.home() / ".cache" / "fedgraft").resolve()


def lay_out(plan: Plan, folder: Path, environ: Mapping[str, str], keep_state: bool = False) -> SimulatedSites:
    """Load the plan's data set, partition it over sites, and write the sites' folders below ``folder``.

    Args:
        keep_state: as for `write_sites`.

    Raises:
        DataError, PlanError: as `partition_cases` and `write_sites`.
    """
    return write_sites(plan, partition_cases(plan, environ), folder, environ, keep_state)


def partition_cases(plan: Plan, environ: Mapping[str, str]) -> Partitioned:
    """Load the plan's data set, and partition it over sites.

    Raises:
        DataError: the data set is not there and can't be downloaded.
        PlanError: as `partition_source`, or the plan names no data set.
    """
    if plan.data.target is None:
        raise PlanError(_NO_SOURCE.format(name="data"))
    trusted = plan.engine.trusted
    source = load_source(plan.to_dict()["data"], data_root(environ), cache_folder(environ), plan.seed, trusted)
    return partition_source(plan, source)


def partition_source(plan: Plan, source: Source) -> Partitioned:
    """Partition the cases of a data set over sites, as a plan says.

    Raises:
        PlanError: a site would be left without cases, or the coordinator without its test set; or another option of
            the plan does not fit the partition.
    """
    if plan.partition.target is None:
        raise PlanError(_NO_SOURCE.format(name="partition"))
    if plan.data.test == "coordinator" and not source.test:
        raise PlanError("data.test=coordinator: this data set has no official test set; use data.test=sites")
    source = _with_pooled_test(source) if plan.data.test == "sites" else source
    _check_given(plan.data.test, source)
    partitioned: dict[str, tuple[Case, ...]] = parts.build(
        plan.partition.target,
        "partition",
        plan.partition.options,
        plan.engine.trusted,
        source=source,
        seed=plan.seed,
        task=tasks.of(plan.data),
    )
    _check_scanners(plan, partitioned)
    _check_audit(plan, partitioned)
    _check_sites(plan, sorted(partitioned))
    _check_external(plan, partitioned)
    test = source.test if plan.data.test == "coordinator" else ()
    return Partitioned(dict(sorted(partitioned.items())), test, source.site_files, source.notes)


def write_sites(
    plan: Plan,
    partitioned: Partitioned,
    folder: Path,
    environ: Mapping[str, str],
    keep_state: bool = False,
    min_patients: int | None = None,
) -> SimulatedSites:
    """Write the sites' folders below ``folder``, in place of those of an earlier run.

    Args:
        keep_state: whether what the sites of an earlier run keep for themselves stays, for a run that goes on.
        min_patients: of each site (`fedgraft.client.site.site_file.ReleasePolicy`); ``None`` for that of its own file.

    Raises:
        DataError: the data lies below ``folder``, or a folder is in the way that no run has made; nothing is written.
    """
    require_apart(folder, _read(plan, partitioned))
    make_place(folder, partitioned.sites, keep_state)
    store = cache_folder(environ) / "store"
    sites = {
        name: _write_site(folder / name, cases, store, plan, partitioned.files.get(name), min_patients)
        for name, cases in partitioned.sites.items()
    }
    cases = sum(map(len, partitioned.sites.values()))
    return SimulatedSites(sites, cases, partitioned.test, store, partitioned.notes)


def _read(plan: Plan, partitioned: Partitioned) -> Iterator[Path]:
    """What a run reads: the cases' files, the sites' manifests and state, and ``data.path``."""
    for cases in (*partitioned.sites.values(), partitioned.test):
        yield from map(Path, {case.path.partition("::")[0] for case in cases})
    for site in partitioned.files.values():
        yield from (path.absolute() for path in (site.manifest, site.state))
    path = plan.data.options.get("path")
    if isinstance(path, str):
        yield Path(path).expanduser().absolute()


def _check_sites(plan: Plan, names: list[str]) -> None:
    """Check ``hold_out`` and ``patience.quorum_sites`` against the partition's sites.

    Raises:
        PlanError: a site to be held out is not there, or too few are left to train.
    """
    unknown = [name for name in plan.hold_out if name not in names]
    if unknown:
        raise PlanError(f"hold_out names {', '.join(unknown)}, but the partition's sites are {', '.join(names)}")
    least, count = plan.patience.quorum_sites, len(names) - len(plan.hold_out)
    if least > count:
        left = f", of which {len(plan.hold_out)} are held out" if plan.hold_out else ""
        raise PlanError(
            f"patience.quorum_sites={least}, but the partition has {len(names)} site(s){left}: set it to "
            f"{max(count, 1)}, or have more sites (data.site names the column of hospitals, partition.sites a number)"
        )


def only_tests(cases: Sequence[Case]) -> bool:
    """Whether all cases of a site are test cases by their own ``split``: external validation, by a hospital that has no
    model of its own."""
    return all(case.split == "test" for case in cases)


def _check_external(plan: Plan, partitioned: Mapping[str, tuple[Case, ...]]) -> None:
    """Check that hospitals that only test are held out.

    Raises:
        PlanError: one is not; names it.
    """
    external = [name for name, cases in sorted(partitioned.items()) if only_tests(cases) and name not in plan.hold_out]
    if external:
        every = ",".join(sorted({*plan.hold_out, *external}))
        raise PlanError(
            f"all cases of {', '.join(external)} are test cases, so that it can't train; set hold_out=[{every}]"
        )


def _check_given(test: str, source: Source) -> None:
    """Check that the data set has its own split if and only if the plan says ``data.test=given``.

    Raises:
        PlanError: it is not so.
    """
    given = all(case.split is not None for case in source.cases)
    if given and test == "sites":
        raise PlanError(
            "this data set brings its own split: data.val_fraction and data.test_fraction would have no effect; "
            "set data.test=given data.val_fraction=0 data.test_fraction=0"
        )
    if not given and test == "given":
        raise PlanError("data.test=given: this data set brings no split of its own; use data.test=sites")


def _check_scanners(plan: Plan, partitioned: Mapping[str, tuple[Case, ...]]) -> None:
    """Check that ``alignment.column`` distinguishes scanners at one site at least.

    Raises:
        PlanError: no site has two values in that column.
    """
    column = plan.alignment.column
    if column is not None and all(
        len({case.column(column) for case in some} - {None, ""}) < 2 for some in partitioned.values()
    ):
        raise PlanError(
            f"alignment.column={column} has no effect: at no site does that column hold two values; set it to null"
        )


def _check_audit(plan: Plan, partitioned: Mapping[str, tuple[Case, ...]]) -> None:
    """Check that each of ``audit.columns`` is a column of some site's cases.

    Raises:
        PlanError: one is not; names those that there are.
    """
    there = {name for cases in partitioned.values() for case in cases[:1] for name, _ in case.columns}
    for column in plan.audit.names:
        if column not in there:
            known = ", ".join(sorted(there)) or "none"
            raise PlanError(f"audit.columns: no site has a column {column}; the columns are: {known}")


_KEPT_OF_A_SITE_FILE = ("release", "limits", "bounds", "refuse_burned_in")


def _write_site(
    folder: Path,
    cases: tuple[Case, ...],
    store: Path,
    plan: Plan,
    like: SiteFile | None,
    min_patients: int | None = None,
) -> Path:
    """Write a site's folder; ``release``, ``limits``, ``bounds`` and ``refuse_burned_in`` are those of ``like``, if it
    is given. Without it a site tells of the subgroups that the plan asks for, and each score as it is: public cases
    need no fence, and figures are exact. Its secret is the plan's seed; how its cases are split, and which texts of a
    table are missing, is as the plan says."""
    engine = plan.engine
    folder = folder.resolve()
    mark(folder)
    write_manifest(folder / "manifest.csv", cases)
    path = folder / "site.yaml"
    write_seed(folder / "state", plan.seed)
    kept: dict[str, Any] = {
        "release": ReleasePolicy(columns=plan.audit.names, scores="fine", min_patients=1, small_counts="told"),
        "bounds": UNBOUNDED,
    }
    if like is not None:
        kept = {name: getattr(like, name) for name in _KEPT_OF_A_SITE_FILE}
    if min_patients is not None:
        kept["release"] = replace(kept["release"], min_patients=min_patients)
    site = SiteFile(
        name=folder.name,
        approval="all",  # nobody is there to ask
        manifest=Path("manifest.csv"),  # relative to the file, so that the folder can be moved
        state=Path("state"),
        store=store,
        keep=engine.store,
        device=engine.device,
        threads=min(engine.threads, cores()) if engine.threads else 1 if engine.name == "ray" else None,
        workers=engine.workers,
        batch=engine.batch,
        runtime=engine.runtime,
        allow=engine.allow,
        split=Fractions(plan.data.val_fraction, plan.data.test_fraction),
        missing=() if plan.table is None else plan.table.missing,
        **kept,
    )
    write_site_file(path, site)
    return path


def _with_pooled_test(source: Source) -> Source:
    """For ``data.test=sites``: add an official test set to the cases, from which each site splits off test cases."""
    if not source.test or source.site_of is not None:
        return source
    return replace(source, cases=(*source.cases, *source.test), test=())
