"""A folder of one series' files: which slice lies where, and its neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.geometry import along_normal
from fedgraft.client.images.dicom.header import header_of
from fedgraft.client.images.dicom.layout import Layout, layout_of
from fedgraft.client.images.dicom.modality import RescaleLine
from fedgraft.client.images.dicom.values import frame_elements
from fedgraft.client.images.dicom.voi import rescale_of
from fedgraft.client.site.limits import Limits

APART = 1e-3
"""Slices that lie closer than this, in mm, lie at one place."""
TURNED = 1e-3
"""What two direction cosines may differ by and still be one orientation."""


class Slice(NamedTuple):
    """What a file says about its place in a series, and its rescale (`fedgraft.client.images.dicom.voi`)."""

    path: Path
    layout: Layout
    series: str
    number: int | None
    place: float | None
    orientation: tuple[float, ...]
    rescale: RescaleLine | None


def slices_of(folder: Path, limits: Limits) -> tuple[Slice, ...]:
    """The files of a series in their order in space.

    Sorted along the normal of (0020,0037) Image Orientation by (0020,0032) Image Position; if a file does not state
    them, by (0020,0013) Instance Number. Files that are not DICOM, or hold no image, are not of the series; folders
    in it are not looked into.

    Raises:
        CaseError: ``no-pixels``: there is no image; ``mixed-series``: the slices do not belong together, or have no
            order; ``too-large``: more files than ``limits.frames``; and the reasons of a file that is damaged.
    """
    files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    if len(files) > limits.frames:
        raise CaseError("too-large", f"the series has more than {limits.frames} files")
    slices = [found for path in files if (found := _slice(path, limits)) is not None]
    if not slices:
        raise CaseError("no-pixels", "the folder holds no DICOM image")
    _check(slices)
    places = [one.place for one in slices]
    if any(place is None for place in places):
        places, apart = [one.number for one in slices], 0.5
        if len(slices) > 1 and any(place is None for place in places):
            raise CaseError("mixed-series", "a slice states neither its position nor its instance number")
    else:
        apart = APART
    known = np.array([place or 0 for place in places], np.float64)
    order = np.argsort(known, kind="stable")
    if (np.diff(known[order]) < apart).any():
        raise CaseError("mixed-series", "two slices lie at one place, or have one instance number")
    return tuple(slices[number] for number in order)


def spread(count: int, wanted: int) -> tuple[int, ...]:
    """Evenly spaced positions among ``count``: the middles of ``wanted`` equal parts; all if there are fewer."""
    parts = min(count, wanted)
    return tuple((2 * part + 1) * count // (2 * parts) for part in range(parts))


def neighbours(position: int, count: int) -> tuple[int, int, int]:
    """The one before, itself, the one after; at the edges it is its own neighbour."""
    return max(position - 1, 0), position, min(position + 1, count - 1)


def _slice(path: Path, limits: Limits) -> Slice | None:
    try:
        with header_of(path, limits) as header:
            layout = layout_of(header, limits)
            read = header.elements
            groups = frame_elements(read, 0)
            orientation = groups.macro("PlaneOrientationSequence").numbers("ImageOrientationPatient")
            position = groups.macro("PlanePositionSequence").numbers("ImagePositionPatient")
            return Slice(
                path=path,
                layout=layout,
                series=read.code("SeriesInstanceUID"),
                number=read.integer("InstanceNumber"),
                place=along_normal(position, orientation),
                orientation=orientation,
                rescale=rescale_of(groups, layout),
            )
    except CaseError as error:
        if error.reason in ("not-dicom", "no-pixels"):
            return None
        raise


def _check(slices: Sequence[Slice]) -> None:
    first = slices[0]
    if any(one.layout.frames > 1 for one in slices):
        raise CaseError("mixed-series", "a file of the series has several frames; name it by its own path")
    if len({one.series for one in slices}) > 1:
        raise CaseError("mixed-series", "the folder holds files of more than one series")
    shapes = {(one.layout.rows, one.layout.columns, one.layout.photometric) for one in slices}
    if len(shapes) > 1:
        raise CaseError("mixed-series", "the slices of the series differ in size or photometric interpretation")
    turned = (
        len(one.orientation) != len(first.orientation)
        or not np.allclose(one.orientation, first.orientation, rtol=0, atol=TURNED)
        for one in slices
    )
    if any(turned):
        raise CaseError("mixed-series", "the slices of the series differ in orientation")
