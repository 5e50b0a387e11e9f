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
            root: what relative paths are relative to.
            folder: of the manifest, a file of this account alone; ``None`` is ``frames`` in FedGraft's cache.

        Raises:
            DataError: a column is not there, the frame is empty, or it is not said what is predicted from what.
        """
        columns = columns_of(frame)
        called = _Columns(site, path, row, label, patient or _patient(columns), group, split, time, event)
        options = _options(columns, called, numeric, categorical, findings)
        named = _picked(columns, [*called.names(), *numeric, *categorical, *findings, *keep])
        file, cases = _written(named, path, Path(root), Path(folder or cache_folder(os.environ) / "frames"))
        return cls(file, cases, options={"data.path": str(file), **options})


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


def _written(columns: Mapping[str, Sequence[Any]], path: str | None, root: Path, folder: Path) -> tuple[Path, int]:
    """Write the manifest; its path and its number of lines."""
    cells = {name: [text_of(value) for value in values] for name, values in columns.items()}
    if path is not None:
        cells[path] = [_absolute(cell, root) for cell in cells[path]]
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
