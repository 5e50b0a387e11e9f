"""The manifest: one line for each labelled case of a cohort, as CSV or Parquet (docs/cohort.md has examples).

Columns: ``path`` (relative to the manifest's folder and inside it, or absolute), ``row`` (index of the case inside an
array file or a table; empty otherwise), ``label`` (a class name of the plan; not needed for multilabel and survival),
``patient`` (always: all cases of a patient are in the same split), and optionally ``group`` (a larger unit that must
not be split, for instance near-duplicate images) and ``split`` (``train``, ``val`` or ``test``; for all lines or none).
All other columns are kept with the case. Without ``path``, the manifest itself is the table, and each line is a case.
A path into an ``.npz`` names its array after ``::``, as in ``scans.npz::train_images``. Spaces around a cell are
dropped, except in ``path``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import MappingProxyType

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import read_rows, write_rows
from fedgraft.client.cohort.manifest.lines import KNOWN, CaseLines
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import replacing

_NAMED = 10
_TO_DO = {
    "path": "name the case's file",
    "label": "fill in a class of the plan or delete the lines (for multilabel or survival: the whole column)",
    "patient": "fill in any name that all cases of the patient share",
}


def read_manifest(path: Path) -> tuple[Case, ...]:
    """Read a manifest; the case at index ``i`` is line ``i + 2`` of the file.

    Raises:
        DataError: the file is missing, empty or too large, lacks a column, or has a wrong line (named by its number,
            never by its content), for instance if two lines name the same case, or if ``split`` puts a patient or group
            into two splits.
    """
    if not path.is_file():
        raise DataError(f"manifest {path} does not exist; site.yaml's `manifest` must name a CSV or Parquet file")
    rows = read_rows(path)
    return cases_of(path, next(rows), rows)


def cases_of(
    path: Path,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    called: Mapping[str, str] = MappingProxyType({}),
    patients_known: bool = True,
) -> tuple[Case, ...]:
    """The cases of a manifest's lines, from any source.

    Args:
        path: the manifest's path, which messages name and to which its paths are relative.
        header: the names of its columns.
        rows: the cells of each line, starting with line 2.
        called: the names for messages of columns that have another name in the file.
        patients_known: whether the file says whose case each is; else each line has a patient of its own.

    Raises:
        DataError: as `read_manifest`.
    """
    lines = CaseLines(path, header)
    cases = tuple([lines.case(number, cells) for number, cells in enumerate(rows, start=2)])
    if not cases:
        raise DataError(f"manifest {path} lists no case")
    _check_filled_in(path, lines.empty, len(cases), called)
    _check_repeated(path, cases, patients_known)
    _check_given_split(path, cases)
    return cases


def write_manifest(path: Path, cases: Iterable[Case]) -> None:
    """Write a CSV manifest that `read_manifest` reads back to equal cases; the column ``label`` only if they have one.

    Raises:
        DataError: the cases can't be one manifest: some lack a label or patient, the other columns differ from case to
            case, or a cell would not be read back as it is. The message names a line of the file.
    """
    cases = tuple(cases)
    others = tuple(name for name, _ in cases[0].columns) if cases else ()
    labelled = not cases or any(case.label for case in cases)
    for line, case in enumerate(cases, start=2):
        if problem := _unwritable(case, others, labelled):
            raise DataError(f"manifest {path} can't be written: line {line} would have {problem}")
    known = (name for name in KNOWN if name != "label" or labelled)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as stream:
        write_rows(stream, (*known, *others), (_cells(case, labelled) for case in cases))


def _cells(case: Case, labelled: bool) -> tuple[str, ...]:
    row = "" if case.row is None else str(case.row)
    label = (case.label,) if labelled else ()
    others = (cell for _, cell in case.columns)
    return (case.path, row, *label, case.patient, case.group or "", case.split or "", *others)


def _unwritable(case: Case, others: Sequence[str], labelled: bool) -> str | None:
    """Why a case can't be a line of this manifest, as a clause; ``None`` if it can."""
    names = tuple(name for name, _ in case.columns)
    if names != others:
        return "other columns than the first case"
    if not set(names).isdisjoint(KNOWN) or len(set(names)) < len(names) or "" in names:
        return "another column without a name, or with one that is taken"
    if not (case.path and case.patient and (case.label or not labelled)):
        return "no `path`, `patient` or `label`"
    cells = (*_cells(case, labelled)[1:], *names)
    if [cell.strip() for cell in cells] != [*cells]:
        return "spaces around a cell"
    return None


def _check_filled_in(path: Path, empty: Mapping[str, Sequence[int]], count: int, called: Mapping[str, str]) -> None:
    problems = [
        f"`{called.get(name, name)}` is empty in {len(lines)} of {count} lines ({named_lines(lines)}); {_TO_DO[name]}"
        for name, lines in empty.items()
    ]
    if problems:
        raise DataError(f"manifest {path}: {'. '.join(problems)}")


def _check_repeated(path: Path, cases: Sequence[Case], patients_known: bool) -> None:
    """Check that no two lines name the same case."""
    _check_rows(path, cases)
    if len({hash((case.path, case.row)) for case in cases}) == len(cases):
        return
    first: dict[tuple[str, int | None], int] = {}
    for line, case in enumerate(cases, start=2):
        before = first.setdefault((case.path, case.row), line)
        if before != line:
            other = cases[before - 2]
            apart = ["labels"] if case.label != other.label else []
            apart += ["patients"] if patients_known and case.patient != other.patient else []
            what = f", with different {' and '.join(apart)}; correct or delete one" if apart else "; delete one"
            raise DataError(f"manifest {path}: lines {before} and {line} name the same case{what}")


def _check_rows(path: Path, cases: Sequence[Case]) -> None:
    """Check that each file has either one line without a ``row``, or only lines with one."""
    whole = {case.path: line for line, case in enumerate(cases, start=2) if case.row is None}
    for line, case in enumerate(cases, start=2):
        if case.row is not None and case.path in whole:
            raise DataError(
                f"manifest {path}: line {whole[case.path]} names a whole file and line {line} a `row` of it; keep one"
            )


def _check_given_split(path: Path, cases: Sequence[Case]) -> None:
    """Check that ``split`` is given for all cases or none, and puts no patient or group into two splits."""
    given = sum(case.split is not None for case in cases)
    if 0 < given < len(cases):
        raise DataError(f"manifest {path} names a split for {given} of {len(cases)} cases; name all or none")
    if given == 0:
        return
    _check_kept_whole(path, "patient", [case.patient for case in cases], cases)
    _check_kept_whole(path, "group", [case.group for case in cases], cases)


def _check_kept_whole(path: Path, what: str, names: Sequence[str | None], cases: Sequence[Case]) -> None:
    first: dict[str, str | None] = {}
    parted = {
        name
        for name, case in zip(names, cases, strict=True)
        if name is not None and first.setdefault(name, case.split) != case.split
    }
    if parted:
        lines = [line for line, name in enumerate(names, start=2) if name in parted]
        raise DataError(
            f"manifest {path}: {len(parted)} {what}(s) have cases on two sides of the given `split` "
            f"({named_lines(lines)}); name one side for all cases of a {what}"
        )


def named_lines(lines: Sequence[int]) -> str:
    """``line 2`` or ``lines 2, 3, 5, ...``."""
    shown = ", ".join(map(str, islice(lines, _NAMED)))
    return f"line{'s' if len(lines) > 1 else ''} {shown}{', ...' if len(lines) > _NAMED else ''}"
