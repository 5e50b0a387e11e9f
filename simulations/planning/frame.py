"""Own cases from a data frame: write its columns to a manifest file, and make the plan options that name them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from fedgraft.client.prediction.frames import columns_of, text_of
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.datasets.csv_tables import write_table
from fedgraft.simulations.federation.sites import cache_folder
from fedgraft.simulations.planning.planned import Words

_PATIENT = "patient"


@dataclass(frozen=True)
class FrameSource:
    """A frame's cases in a file, and the plan options that describe them.

    Attributes:
        file: the manifest (docs/cohort.md).
        cases: the number of its lines.
        words: overrides that choose ``data=manifest``.
        options: values of the plan by dotted name, for instance ``data.label``.
    """

    file: Path
    cases: int
    words: tuple[str, ...] = ("data=manifest",)
    options: Mapping[str, Any] = field(default_factory=dict)

    def before(self, asked: Words) -> Words:
        """Add these cases to the words of a plan; where both set an option, the words win.

        Raises:
            PlanError: the words name another data set.
        """
        other = [word for word in asked.words if word.partition("=")[0] == "data"]
        if other:
            raise PlanError(f"{other[0]} and source both say what the cases are; leave out one of them")
        return asked.after(self.words, self.options)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        site: str | None = None,
        path: str | None = None,
        label: str | None = None,
        numeric: Sequence[str] = (),
        categorical: Sequence[str] = (),
        findings: Sequence[str] = (),
        time: str | None = None,
        event: str | None = None,
        patient: str | None = None,
        group: str | None = None,
        split: str | None = None,
        row: str | None = None,
        keep: Sequence[str] = (),
        root: str | Path = ".",
        folder: str | Path | None = None,
    ) -> Self:
        """A row is a case: an image (``path``), or a row of a table (``numeric``, ``categorical``).

        Args:
            frame: of pandas (or polars), or a mapping from column to a sequence of values.
            site: the column of the hospital; without it choose a partition (``partition=iid``).
            path: of the image's file, or of an array in an ``.npz`` (``scans.npz::train``, with ``row``).
            label: of the class; classes are found in it.
            numeric, categorical: columns of a table that are the cases' values.
            findings: columns that hold 1, 0, or nothing where it is unknown, in place of ``label``.
            time, event: of survival, in place of ``label``.
            patient: shared by all cases of a patient; ``None`` is ``"patient"``, or each row another one without it.
            group, split: as in docs/cohort.md.
            keep: further columns to write, for instance for subgroups; a column that is not named here is not written.
            root, folder: what paths are relative to; and of the manifest (``None``: ``frames`` in FedGraft's cache).

        Raises:
            DataError: a column, cells of one, or all of the first files are lacking, or what is predicted from what.
        """
        columns = columns_of(frame)
        called = _Columns(site, path, row, label, patient or _patient(columns), group, split, time, event)
        options = _options(columns, called, numeric, categorical, findings)
        picked = _picked(columns, [*called.names(), *numeric, *categorical, *findings, *keep])
        cells = _cells(picked, called, Path(root))
        file, count = _written(cells, Path(folder or cache_folder(os.environ) / "frames"))
        return cls(file, count, options={"data.path": str(file), **options})


@dataclass(frozen=True)
class _Columns:
    """The name of the frame's column for each column option of ``data=manifest``."""

    site: str | None
    file: str | None
    row: str | None
    label: str | None
    patient: str | None
    group: str | None
    split: str | None
    time: str | None
    event: str | None

    def names(self) -> list[str]:
        return [name for name in vars(self).values() if name is not None]

    def options(self) -> dict[str, Any]:
        return {f"data.{what}": name for what, name in vars(self).items()}


def _options(
    columns: Mapping[str, object],
    called: _Columns,
    numeric: Sequence[str],
    categorical: Sequence[str],
    findings: Sequence[str],
) -> dict[str, Any]:
    """The plan options that describe the cases, without ``data.path``.

    Raises:
        DataError: a column is missing, or the arguments name no input, no outcome, or two of them.
    """
    table = (*numeric, *categorical)
    _require(columns, [*called.names(), *table, *findings])
    if bool(table) == (called.file is not None):
        raise DataError("give either path (a column of image files), or numeric and categorical columns of a table")
    found = {"data.task": _task(called, findings), **called.options()}
    if findings:
        found["data.classes"] = list(findings)
    if table:
        found |= {"table.numeric": list(numeric), "table.categorical": list(categorical)}
    return found


def _cells(columns: Mapping[str, Sequence[Any]], called: _Columns, root: Path) -> dict[str, list[str]]:
    """The columns as text, checked, with absolute paths."""
    cells = {name: [text_of(value) for value in values] for name, values in columns.items()}
    _require_filled(cells, (called.site, called.file, called.label, called.patient, called.time, called.event))
    if called.file is not None:
        cells[called.file] = _files(cells[called.file], called.file, root)
    return cells


def _require_filled(cells: Mapping[str, Sequence[str]], needed: Iterable[str | None]) -> None:
    for name in needed:
        empty = [place for place, cell in enumerate(cells[name]) if not cell] if name is not None else []
        if empty:
            shown = ", ".join(map(str, empty[:_SHOWN])) + (", ..." if len(empty) > _SHOWN else "")
            raise DataError(
                f"the frame's column {name} is empty in {len(empty)} of {len(cells[str(name)])} rows (from 0: {shown})"
                f"; fill it in, or leave these rows out (in pandas frame.dropna(subset=[{name!r}]))"
            )


def _files(cells: Sequence[str], column: str, root: Path) -> list[str]:
    """Absolute paths; an error if none of the first files is there: the folder is probably another."""
    found = [_absolute(cell, root) for cell in cells]
    firsts = {one.partition("::")[0] for one in found[:_LOOKED_AT]}
    if not any(Path(one).exists() for one in firsts):
        raise DataError(
            f"there is no file {found[0].partition('::')[0]}, nor any of the first {len(firsts)} of the frame's column "
            f"{column}; name the folder that they are relative to: root=..."
        )
    return found


_SHOWN, _LOOKED_AT = 10, 20


def _written(cells: Mapping[str, Sequence[str]], folder: Path) -> tuple[Path, int]:
    """Write the manifest; its path and its number of lines."""
    lines = [dict(zip(cells, line, strict=True)) for line in zip(*cells.values(), strict=True)]
    return write_table(folder, "frame", list(cells), lines, private=True), len(lines)


def _task(called: _Columns, findings: Sequence[str]) -> str:
    asked = {
        "classification": called.label is not None,
        "multilabel": bool(findings),
        "survival": called.time is not None and called.event is not None,
    }
    chosen = [task for task, is_asked in asked.items() if is_asked]
    if len(chosen) != 1:
        raise DataError("say what is predicted, by one of: label; findings; time and event")
    return chosen[0]


def _patient(columns: Mapping[str, object]) -> str | None:
    return _PATIENT if _PATIENT in columns else None


def _picked(columns: Mapping[str, Sequence[Any]], named: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Only the named columns, in the frame's order."""
    _require(columns, named)
    return {name: values for name, values in columns.items() if name in named}


def _require(columns: Mapping[str, object], named: Iterable[str]) -> None:
    lacking = [name for name in dict.fromkeys(named) if name not in columns]
    if lacking:
        raise DataError(f"the frame has no column {', '.join(lacking)}; it has: {', '.join(columns)}")


def _absolute(cell: str, root: Path) -> str:
    """A path below ``root`` as an absolute one; an empty cell stays empty, and the manifest's reader reports it."""
    return str((root / Path(cell).expanduser()).absolute()) if cell else cell
