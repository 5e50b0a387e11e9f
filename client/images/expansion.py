"""Expand cases: a series or a multi-frame file becomes several cases; frames are counted once and remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fedgraft.client.cohort.case import CSV, PARQUET, Case
from fedgraft.client.cohort.quarantine import PASSING, CaseError
from fedgraft.client.images.content import stamp_of
from fedgraft.client.images.raster import FORMATS
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.row_store import ABSENT, Store
from fedgraft.common.plan.data_sections import DicomSection

OTHERS = frozenset({*FORMATS, ".npz", *CSV, *PARQUET})
"""Suffixes of files that are not DICOM."""


_UNKNOWN = 0  # the count of a file whose frames can't be counted; reading it gives the reason


def expanded(cases: Sequence[Case], reading: Reading, store: Store) -> tuple[Case, ...]:
    """The cases of a manifest's lines, with series and multi-frame files expanded (see `expand`)."""
    if not _may_be_several(cases, reading):
        return tuple(cases)
    from fedgraft.client.images.dicom.read import frame_count

    space = hashlib.sha256(f"frames-2|{reading.limits}".encode()).hexdigest()  # other limits may let it be counted
    kept = store.kind(space, (4,), "uint8")
    fresh: dict[bytes, int] = {}

    def count(path: Path) -> int:
        stamp = stamp_of(path)
        if stamp is None:
            raise CaseError("missing")
        (place,) = kept.places([stamp])
        if place != ABSENT:
            found = int(kept.rows().numpy()[place].copy().view("<u4")[0])
        else:
            try:
                found = frame_count(path, reading.limits)
            except CaseError as error:
                if error.reason in PASSING:
                    raise
                found = _UNKNOWN
            fresh[stamp] = found
        if found == _UNKNOWN:
            raise CaseError("damaged")
        return found

    found = expand(cases, reading.dicom, count)
    if fresh:
        kept.add(list(fresh), np.array(list(fresh.values()), "<u4").view(np.uint8).reshape(-1, 4))
    return found


def _may_be_several(cases: Sequence[Case], reading: Reading) -> bool:
    return reading.dicom.frames == "all" or any(case.row is None and Path(case.path).is_dir() for case in cases)


def expand(cases: Iterable[Case], dicom: DicomSection, frame_count: Callable[[Path], int]) -> tuple[Case, ...]:
    """Make a case of each slice or frame that the plan uses.

    A folder becomes ``dicom.slices`` cases, evenly spaced, or as many as it has slices; with ``dicom.frames=all`` a
    file becomes one case per frame. All have the line's label, patient and split. A case with a ``row`` is not
    expanded, nor is one whose frames can't be counted: reading it gives the reason.

    Args:
        frame_count: frames of a file or slices of a folder, as `fedgraft.client.images.dicom.read.frame_count` with the
            site's limits; called for folders, and, where all frames are wanted, for each file that is no picture,
            array or table: DICOM files may have any suffix, or a UID for a name.
    """
    return tuple(found for case in cases for found in _expanded(case, dicom, frame_count))


def _expanded(case: Case, dicom: DicomSection, frame_count: Callable[[Path], int]) -> Iterable[Case]:
    path = Path(case.path)
    folder = path.is_dir()
    if case.row is not None or not (folder or (dicom.frames == "all" and may_be_dicom(case.path))):
        return (case,)
    try:
        count = frame_count(path)
    except CaseError:
        return (case,)
    if folder:
        from fedgraft.client.images.dicom.series import spread  # reads DICOM, which other images need not

        count = len(spread(count, dicom.slices))
    return tuple(replace(case, row=number) for number in range(count)) if folder or count > 1 else (case,)


def may_be_dicom(path: str) -> bool:
    """Whether a file's name does not say that it is something else."""
    return "::" not in path and Path(path).suffix.lower() not in OTHERS
