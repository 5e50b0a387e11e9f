"""Read a manifest of new cases: as one for training (docs/cohort.md), but it needs neither labels nor patients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import read_rows
from fedgraft.client.cohort.manifest.manifest import cases_of
from fedgraft.common.errors import DataError

_UNUSED = ("label", "split", "group")
_PATIENT, _GROUP = "patient", "group"


@dataclass(frozen=True)
class NewCases:
    """The cases of a manifest.

    Attributes:
        listed: a case a line, whose ``group`` is the line's number; the header is line 1.
        given: the cells under ``path`` and ``row`` of each line; ``""`` if the manifest does not have them.
    """

    listed: tuple[Case, ...]
    given: tuple[tuple[str, str], ...]

    def place(self, case: Case) -> dict[str, Any]:
        """Which case it is: the number of its line, and ``path`` and ``row`` as given. Of several that come from one
        line (slices of a series, frames of a file), ``row`` says which."""
        line = int(case.group or 0)
        path, row = self.given[line - 2]
        own = self.listed[line - 2].row
        return {"line": line, "path": path, "row": row if case.row == own else str(case.row)}


def read_new_cases(path: Path) -> NewCases:
    """Read a manifest; ``label``, ``split`` and ``group`` are not looked at.

    Raises:
        DataError: as `fedgraft.client.cohort.manifest.manifest.read_manifest`.
    """
    if not path.is_file():
        raise DataError(f"manifest {path} does not exist; --manifest must name a CSV or Parquet file")
    rows = read_rows(path)
    header = tuple(next(rows))
    kept = [place for place, name in enumerate(header) if name not in (*_UNUSED, _PATIENT)]
    names = (*(header[place] for place in kept), _PATIENT, _GROUP)
    patient = header.index(_PATIENT) if _PATIENT in header else None
    given: list[tuple[str, str]] = []

    def without_labels() -> Iterator[Sequence[str]]:
        places = [header.index(name) if name in header else None for name in ("path", "row")]
        for line, cells in enumerate(rows, start=2):
            own, number = ("" if place is None else cells[place] for place in places)
            given.append((own, number.strip()))
            who = "" if patient is None else cells[patient]
            yield (*(cells[place] for place in kept), who if who.strip() else f"line {line}", str(line))

    return NewCases(cases_of(path, names, without_labels(), patients_known=patient is not None), tuple(given))
