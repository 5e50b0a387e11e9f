"""Find the columns of a user's own manifest: by the names of docs/cohort.md, or by names that the user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path

from fedgraft.common import tasks
from fedgraft.common.errors import DataError
from fedgraft.common.plan.data_sections import TaskName

_SITES = ("site", "hospital", "center", "centre", "clinic", "institution", "institute", "provider")


@dataclass(frozen=True)
class Columns:
    """The names of a manifest's columns in the file; ``None``: there is no such column, even if one has that name.

    Attributes:
        site: the hospital of each case.
        file: the case's file (``path`` in docs/cohort.md).
        row: which row of an array file or table.
        label: the class.
        patient: ``None`` makes each line a patient of its own.
        group: a unit that must not be split, coarser than the patient.
        split: ``train``, ``val`` or ``test``.
        time: time until the event, or until the patient was last seen.
        event: whether the event occurred.
    """

    site: str | None = None
    file: str | None = "path"
    row: str | None = "row"
    label: str | None = "label"
    patient: str | None = "patient"
    group: str | None = "group"
    split: str | None = "split"
    time: str | None = "time"
    event: str | None = "event"


_KNOWN_AS = {"file": "path"}
_USUAL = {each.name: each.default for each in fields(Columns)}


@dataclass(frozen=True)
class Layout:
    """A manifest's header as `fedgraft.client.cohort.manifest.manifest.cases_of` reads it.

    Attributes:
        header: names of docs/cohort.md.
        places: position in the file of each of them.
        site: position of the hospital's column.
        called: the file's own name of each column whose name differs.
    """

    header: tuple[str, ...]
    places: tuple[int, ...]
    site: int | None
    called: Mapping[str, str]


def lay_out(path: Path, header: Sequence[str], columns: Columns, task: TaskName) -> Layout:
    """Find the columns.

    A column is left out if it has a name of docs/cohort.md for which another column was chosen.

    Raises:
        DataError: a column does not exist; the message names the existing ones and the nearest.
    """
    predicting = tasks.TASKS[task](())  # findings are columns by their own names
    needed = {"patient", *predicting.manifest_columns, *(["label"] if predicting.reads_label else [])}
    place = {name: number for number, name in enumerate(header)}
    chosen: dict[str, str] = {}
    lacking: dict[str, str] = {}
    for what, usual in _USUAL.items():
        name = getattr(columns, what)
        if name in place:
            chosen[what] = name
        elif name is not None and (name != usual or what in needed):
            lacking[what] = name
    if lacking:
        raise DataError(f"{path} {_lacks(lacking, header)}")
    known = {_KNOWN_AS.get(what, what): name for what, name in chosen.items() if what != "site"}
    reserved = {_KNOWN_AS.get(what, what) for what in _USUAL if what != "site"}
    used = set(known.values())
    others = {name: name for name in header if name not in used and name not in reserved}
    found = {**known, **others}
    return Layout(
        header=tuple(found),
        places=tuple(place[name] for name in found.values()),
        site=None if "site" not in chosen else place[chosen["site"]],
        called={what: name for what, name in known.items() if what != name},
    )


def likely_sites(header: Sequence[str]) -> list[str]:
    """Columns whose names suggest that they hold the hospital."""
    return [name for name in header if any(word in name.casefold() for word in _SITES)]


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The most similar of some words, ignoring case; ``None`` if none is similar."""
    folded = {one.casefold(): one for one in reversed(known)}
    found = get_close_matches(word.casefold(), list(folded), 1, 0.6)
    return folded[found[0]] if found else None


def _lacks(lacking: Mapping[str, str], header: Sequence[str]) -> str:
    """The error about the header: the missing columns, their purpose, and the existing columns."""
    if len(header) == 1:
        return f"names one column, `{header[0]}`, in its first line; separate cells by commas, semicolons or tabs"
    said = []
    for what, name in lacking.items():
        near = _identifier(header) if what == "patient" else nearest(name, header)
        meant = f", perhaps data.{what}={near}" if near else ""
        said.append(f"`{name}` ({_MEANING.get(what, f'data.{what}')}{meant})")
    shown = ", ".join(header[:_SHOWN]) + (", ..." if len(header) > _SHOWN else "")
    return f"has no column {', '.join(said)}. Its columns are: {shown}"


def _identifier(header: Sequence[str]) -> str | None:
    """The column that is called as those that say whose a case is."""
    return next((name for name in header if name.casefold().replace("-", "_") in _IDENTIFIERS), None) or next(
        (name for name in header if "patient" in name.casefold()), None
    )


_IDENTIFIERS = frozenset({"pid", "patient_id", "patientid", "patient", "pat_id", "subject", "subject_id", "mrn", "id"})
_SHOWN = 40
_MEANING = {
    "label": "the class; data.label names its column",
    "patient": "shared by all cases of a patient; data.patient names its column, null if each line is another patient",
}
