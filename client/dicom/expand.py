"""One line of a manifest to several cases: slices of a series, frames of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from fedgraft.client.dicom.series import spread
from fedgraft.client.manifest import Case
from fedgraft.client.pictures import FORMATS
from fedgraft.client.table_file import CSV, PARQUET
from fedgraft.client.unusable import CaseError
from fedgraft.common.schema_data import Dicom

OTHERS = frozenset({*FORMATS, ".npz", *CSV, *PARQUET})
"""Suffixes of files that are not DICOM."""


def expand(cases: Iterable[Case], dicom: Dicom, frame_count: Callable[[Path], int]) -> tuple[Case, ...]:
    """Make a case of each slice or frame that the plan wants.

    A folder becomes ``dicom.slices`` cases, evenly spaced, or as many as it has slices; with ``dicom.frames=all`` a
    file becomes as many as it has frames. All keep the line's label, patient and split. A case with a ``row`` is
    left as it is, and so is one whose frames can't be counted: reading it will say why.

    Args:
        frame_count: frames of a file or slices of a folder, as `fedgraft.client.dicom.read.frame_count` with the site's
            limits; called for folders, and, where all frames are wanted, for each file that is no picture,
            array or table: DICOM files may have any suffix, or a UID for a name.
    """
    return tuple(found for case in cases for found in _expanded(case, dicom, frame_count))


def _expanded(case: Case, dicom: Dicom, frame_count: Callable[[Path], int]) -> Iterable[Case]:
    path = Path(case.path)
    folder = path.is_dir()
    if case.row is not None or not (folder or (dicom.frames == "all" and _may_be_dicom(case.path))):
        return (case,)
    try:
        count = frame_count(path)
    except CaseError:
        return (case,)
    if folder:
        count = len(spread(count, dicom.slices))
    return tuple(replace(case, row=number) for number in range(count)) if folder or count > 1 else (case,)


def _may_be_dicom(path: str) -> bool:
    return "::" not in path and Path(path).suffix.lower() not in OTHERS
