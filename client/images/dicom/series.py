"""Sort the slices of a series, one file each in a folder, by their position in space; a slice's neighbours."""

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

CLOSEST = 1e-3
"""Slices closer than this, in mm, count as lying at the same position."""
ROTATED = 1e-3
"""Orientations count as different if a direction cosine differs by more than this."""


class Slice(NamedTuple):
    """What a file's header says about its place in a series, and its rescale (`fedgraft.client.images.dicom.voi`).

    ``series``: Series Instance UID. ``number``: Instance Number. ``place``: position along the normal, in mm.
    """

    path: Path
    layout: Layout
    series: str
    number: int | None
    place: float | None
    orientation: tuple[float, ...]
    rescale: RescaleLine | None


def slices_of(folder: Path, limits: Limits) -> tuple[Slice, ...]:
    """The slices of a series in their order in space.

    Sorted by (0020,0032) Image Position along the normal of (0020,0037) Image Orientation; if a file does not state
    these, by (0020,0013) Instance Number. Files that are not DICOM or hold no image are ignored, and so are subfolders.

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
        places, closest = [one.number for one in slices], 0.5
        if len(slices) > 1 and any(place is None for place in places):
            raise CaseError("mixed-series", "a slice states neither its position nor its instance number")
    else:
        closest = CLOSEST
    known = np.array([place or 0 for place in places], np.float64)
    order = np.argsort(known, kind="stable")
    if (np.diff(known[order]) < closest).any():
        raise CaseError("mixed-series", "two slices lie at one place, or have one instance number")
    return tuple(slices[number] for number in order)


def spread(count: int, wanted: int) -> tuple[int, ...]:
    """``wanted`` evenly spaced positions of ``count``, the middles of equal parts; all positions if there are fewer."""
    parts = min(count, wanted)
    return tuple((2 * part + 1) * count // (2 * parts) for part in range(parts))


def neighbours(position: int, count: int) -> tuple[int, int, int]:
    """The position before, the position itself, and the one after; at an edge, the position itself instead."""
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
    rotated = (
        len(one.orientation) != len(first.orientation)
        or not np.allclose(one.orientation, first.orientation, rtol=0, atol=ROTATED)
        for one in slices
    )
    if any(rotated):
        raise CaseError("mixed-series", "the slices of the series differ in orientation")
