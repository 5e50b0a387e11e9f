"""The manifest: one CSV line for each labelled case of a cohort.

Columns: ``path`` (relative to the manifest's folder, or absolute), ``row`` (index of the case inside an
array file such as ``.npz``; empty otherwise), ``label`` (a class name of the plan), ``patient`` (cases of one
patient never sit on two sides of a split), and optionally ``group`` (a coarser unit that must not be split, for
instance near-duplicate images) and ``split`` (``train``, ``val`` or ``test``; if given, for every line).
A path into an ``.npz`` names its array after ``::``, as in ``scans.npz::train_images``.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.errors import DataError

REQUIRED = ("path", "label", "patient")
OPTIONAL = ("row", "group", "split")
SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Case:
    """One labelled case.

    ``path`` is absolute (with ``::array`` for npz); ``row`` is ``None`` for a file that holds one case. ``columns`` are
    the manifest's other columns, by name: subgroups, findings, survival, or a table's own values.
    """

    path: str
    label: str
    patient: str
    row: int | None = None
    group: str | None = None
    split: str | None = None
    columns: tuple[tuple[str, str], ...] = ()

    def column(self, name: str) -> str | None:
        """The cell of another column; ``None`` if the manifest does not have it."""
        return next((cell for known, cell in self.columns if known == name), None)

    @property
    def unit(self) -> str:
        """What must stay on one side of a split: the group if named, else the patient."""
        return self.group if self.group is not None else self.patient


def read_manifest(path: Path) -> tuple[Case, ...]:
    """Read a manifest.

    Raises:
        DataError: the file is missing, empty, lacks a column, or a line is wrong (named by its line number,
            never by its content).
    """
    if not path.is_file():
        raise DataError(f"manifest {path} does not exist; site.yaml's `manifest` must name a CSV file")
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            cases = _cases(path, stream)
    except UnicodeDecodeError:
        raise DataError(f"manifest {path} is not UTF-8 text; save it as CSV (UTF-8)") from None
    except csv.Error:
        raise DataError(f"manifest {path} is not a CSV file that can be read") from None
    if not cases:
        raise DataError(f"manifest {path} lists no case")
    given = sum(case.split is not None for case in cases)
    if 0 < given < len(cases):
        raise DataError(f"manifest {path} names a split for {given} of {len(cases)} cases; name all or none")
    return cases


def write_manifest(path: Path, cases: Iterable[Case]) -> None:
    """Write a manifest that `read_manifest` reads back to equal cases."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(("path", "row", "label", "patient", "group", "split"))
        for case in cases:
            row = "" if case.row is None else case.row
            writer.writerow((case.path, row, case.label, case.patient, case.group or "", case.split or ""))


def _cases(path: Path, stream: Iterable[str]) -> tuple[Case, ...]:
    reader = csv.DictReader(stream)
    header = reader.fieldnames or ()
    missing = [name for name in REQUIRED if name not in header]
    if missing:
        raise DataError(f"manifest {path} lacks the column(s) {', '.join(missing)} in its first line")
    folder = path.parent.resolve()
    return tuple(_case(line, path, folder, number) for number, line in enumerate(reader, start=2))


def _case(line: dict[str, str], manifest: Path, folder: Path, number: int) -> Case:
    where = f"manifest {manifest}, line {number}"
    if None in line:
        raise DataError(f"{where}: more cells than the first line has columns")
    for name in REQUIRED:
        if not line[name]:
            raise DataError(f"{where}: `{name}` is empty")
        if "\0" in line[name]:
            raise DataError(f"{where}: `{name}` holds a NUL character")
    split = line.get("split") or None
    if split is not None and split not in SPLITS:
        raise DataError(f"{where}: `split` must be one of {', '.join(SPLITS)}")
    row = line.get("row") or None
    if row is not None and not (row.isdecimal() and len(row) < 10):
        raise DataError(f"{where}: `row` must be a whole number, 0 or more")
    file, separator, array = line["path"].partition("::")
    absolute = os.path.normpath(folder / file)
    return Case(
        path=absolute + separator + array,
        label=line["label"],
        patient=line["patient"],
        row=None if row is None else int(row),
        group=line.get("group") or None,
        split=split,
    )
