"""A user's own cases: any manifest (docs/cohort.md) with a column for the hospital, as one CSV or Parquet file."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import read_rows
from fedgraft.client.cohort.manifest.manifest import cases_of, named_lines
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import TaskName
from fedgraft.common.plan.types import SITE_NAME
from fedgraft.simulations.datasets.columns import Columns, Layout, lay_out, likely_sites, nearest
from fedgraft.simulations.datasets.outcomes import check_outcomes
from fedgraft.simulations.datasets.source import Source

_LOOKED_AT = 20  # files that are tried before the folder counts as wrong
_SHOWN = 5


def manifest(
    *,
    path: str,
    task: TaskName,
    classes: tuple[str, ...] | None,
    site: str | None = None,
    file: str | None = "path",
    row: str | None = "row",
    label: str | None = "label",
    patient: str | None = "patient",
    group: str | None = "group",
    split: str | None = "split",
    time: str | None = "time",
    event: str | None = "event",
    own_patients: bool = False,
    min_cases: int = 2,
) -> Source:
    """The cases of a manifest; see `source_from_rows`.

    Args:
        path: the file, CSV or Parquet; relative to the working directory.
        task: the plan's task.
        classes: the plan's classes; ``None`` if they are yet to be found.
        site, file, row, label, patient, group, split, time, event: names of columns (`Columns`).
        own_patients: see `source_from_rows`.
        min_cases: see `source_from_rows`.

    Raises:
        DataError: the file does not exist or is no valid manifest; the message names the line, and what to do.
    """
    where = Path(path).expanduser()
    if not where.is_file():
        raise DataError(f"data.path={path} is no file{_beside(where)}")
    where = where.resolve()
    rows = read_rows(where)
    columns = Columns(site, file, row, label, patient, group, split, time, event)
    return source_from_rows(
        where, next(rows), rows, columns, task, classes, own_patients=own_patients, min_cases=min_cases
    )


def source_from_rows(
    where: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    columns: Columns,
    task: TaskName = "classification",
    classes: Sequence[str] | None = None,
    *,
    own_patients: bool = False,
    min_cases: int = 2,
) -> Source:
    """The cases of a manifest's lines, whatever source the lines come from.

    Args:
        where: absolute path that messages name and that relative paths start from; it need not exist.
        header: the names of the columns.
        rows: the cells of each line, as text; the first is line 2.
        columns: the names of the columns in the header.
        task: the plan's task.
        classes: the plan's classes; ``None`` if they are yet to be found.
        own_patients: the same patient name at two hospitals means two patients.
        min_cases: fewest cases of a hospital; fewer are an error, since the hospital's name is probably misspelt.

    Raises:
        DataError: the lines are no valid manifest; the message names the line, and what to do.
    """
    layout = lay_out(where, header, columns, task)
    sites: list[str] = []
    called = {**layout.called, **({"patient": "patient"} if columns.patient is None else {})}
    names = layout.header if columns.patient is not None else (*layout.header, "patient")
    alone = columns.patient is None
    cases = cases_of(where, names, _laid_out(rows, layout, sites, alone), called, patients_known=not alone)
    check_outcomes(where, cases, task, classes, called)
    _check_files(where, cases)
    if layout.site is None:
        return Source(cases, site_hint=_site_hint(header))
    site_of, notes = _site_names(where, sites, str(columns.site))
    _check_sites(where, site_of, min_cases, str(columns.site))
    if not own_patients:
        _check_patients(where, cases, site_of, called)
    return Source(cases, tuple(site_of), own_patients=own_patients, notes=notes)


def _laid_out(rows: Iterable[Sequence[str]], layout: Layout, sites: list[str], alone: bool) -> Iterator[Sequence[str]]:
    """Each line's cells in the layout's order; the line's hospital is appended to ``sites``.

    Args:
        alone: each line is a patient of its own, and a patient's name is added.
    """
    for line, cells in enumerate(rows, start=2):
        if layout.site is not None:
            sites.append(cells[layout.site].strip())
        own = [cells[place] for place in layout.places]
        yield [*own, f"line-{line}"] if alone else own


def _beside(where: Path) -> str:
    """A hint for a missing file: the most similar name in its folder, if the folder exists."""
    folder = where.parent
    if where.is_dir():
        return "; it is a folder: for site folders use data=folders, for a manifest name the file in it"
    if not folder.is_dir():
        return f", and there is no folder {folder.resolve()}"
    there = sorted(one.name for one in folder.iterdir() if one.suffix.lower() in (".csv", ".tsv", ".parquet", ".pq"))
    near = nearest(where.name, there)
    said = (
        f"; did you mean {near}?" if near else f"; CSV and Parquet files there: {', '.join(there[:_SHOWN]) or 'none'}"
    )
    return f" in {folder.resolve()}{said}"


def _site_hint(header: Sequence[str]) -> str:
    found = likely_sites(header)
    return f"name the column of the hospital: data.site={found[0] if found else 'COLUMN'}"


def _site_names(where: Path, sites: Sequence[str], column: str) -> tuple[list[str], tuple[str, ...]]:
    """The hospitals' names as valid folder names, and a sentence if some had to be changed."""
    empty = [line for line, site in enumerate(sites, start=2) if not site]
    if empty:
        raise DataError(
            f"{where}: `{column}` is empty in {len(empty)} of {len(sites)} lines ({named_lines(empty)}); name the "
            "hospital of each case"
        )
    written: dict[str, str] = {site: _as_name(site) for site in dict.fromkeys(sites)}
    owner: dict[str, str] = {}
    for site, name in written.items():
        if owner.setdefault(name, site) != site:
            raise DataError(
                f"{where}: `{column}` names the hospitals `{owner[name]}` (line {sites.index(owner[name]) + 2}) and "
                f"`{site}` (line {sites.index(site) + 2}), which would both be called {name}; rename one (letters, "
                "digits, - and _)"
            )
    changed = [f"{site} = {name}" for site, name in written.items() if site != name]
    more = f", and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    notes = (f"hospitals are called by letters, digits, - and _: {', '.join(changed[:_SHOWN])}{more}",)
    return [written[site] for site in sites], notes if changed else ()


def _as_name(site: str) -> str:
    """``St. Mary's`` -> ``St-Mary-s``: a valid name of a site and its folder."""
    plain = unicodedata.normalize("NFKD", site).encode("ascii", "ignore").decode()
    name = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[:64]
    return name if SITE_NAME.fullmatch(name) else f"site-{name or 'x'}"[:64]


def _check_sites(where: Path, sites: Sequence[str], least: int, column: str) -> None:
    counts = Counter(sites)
    few = sorted(site for site, count in counts.items() if count < least)
    if not few:
        return
    said = []
    for site in few[:_SHOWN]:
        lines = [line for line, name in enumerate(sites, start=2) if name == site]
        near = nearest(site, [name for name in counts if name != site])
        said.append(f"{site} ({named_lines(lines)})" + (f", perhaps {near}" if near else ""))
    more = f", and {len(few) - _SHOWN} more" if len(few) > _SHOWN else ""
    raise DataError(
        f"{where}: in `{column}`, hospital(s) with fewer than {least} cases: {'; '.join(said)}{more}. Correct "
        "the name, delete the lines, or set data.min_cases=1"
    )


def _check_patients(where: Path, cases: Sequence[Case], sites: Sequence[str], called: Mapping[str, str]) -> None:
    """Check that no patient and no group has cases at two hospitals."""
    for what in ("patient", "group"):
        first: dict[str, int] = {}
        parted: dict[str, int] = {}
        for line, (case, site) in enumerate(zip(cases, sites, strict=True), start=2):
            name = case.patient if what == "patient" else case.group
            if name is not None and sites[first.setdefault(name, line) - 2] != site:
                parted.setdefault(name, line)
        if parted:
            name, line = next(iter(parted.items()))
            raise DataError(
                f"{where}: {len(parted)} {what}(s) have cases at two hospitals, the first in lines {first[name]} "
                f"({sites[first[name] - 2]}) and {line} ({sites[line - 2]}). If names are each hospital's own, say "
                f"data.own_patients=true; else correct `{called.get(what, what)}` or the hospital"
            )


def _check_files(where: Path, cases: Sequence[Case]) -> None:
    """Check that at least one of the first files exists: if none does, the folder is probably wrong."""
    firsts: dict[str, int] = {}
    for line, case in enumerate(cases, start=2):
        firsts.setdefault(case.path.partition("::")[0], line)
        if len(firsts) == _LOOKED_AT:
            break
    files = defaultdict(list)
    for file, line in firsts.items():
        files[file == str(where) or Path(file).exists()].append((file, line))
    if not files[True]:
        file, line = files[False][0]
        raise DataError(
            f"{where}, line {line}: there is no file {file}, nor any of the first {len(firsts)}. Paths are relative to "
            "the manifest's folder, or absolute"
        )
