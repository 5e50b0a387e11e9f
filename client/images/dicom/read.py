"""Read a DICOM file, or a slice of a series, to pixels: the steps of PS3.3 in their order; every error has a reason.

Stored values -> modality LUT or rescale (C.11.1) -> VOI LUT or window (C.11.2) -> presentation LUT shape and
photometric interpretation (C.11.6, C.7.6.3.1.2) -> float32 in [0, 1], where 1 is white -> square pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.codestream import codestream_of
from fedgraft.client.images.dicom.colour import colour, palette_colour
from fedgraft.client.images.dicom.decoders import SYNTAXES, decoded
from fedgraft.client.images.dicom.frames import encapsulated, native
from fedgraft.client.images.dicom.geometry import aspect_of, square
from fedgraft.client.images.dicom.grayscale import grey
from fedgraft.client.images.dicom.header import Header, header_of
from fedgraft.client.images.dicom.layout import COLOUR, GREY, NATIVE, PALETTE, Layout, Stored, layout_of
from fedgraft.client.images.dicom.series import neighbours, slices_of, spread
from fedgraft.client.images.dicom.values import FrameElements, frame_elements
from fedgraft.client.images.dicom.voi import check_scale, rescale_of
from fedgraft.client.images.image import DecodedImage
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """A file that an image was read from, and which of its frames, from 0; none are named of a file with one."""

    path: Path
    frames: tuple[int, ...] = ()


def read_dicom(
    path: Path, dicom: DicomSection, limits: Limits, row: int | None = None, *, threads: int = 1
) -> DecodedImage:
    """Read one image.

    Args:
        path: a file, or a folder that holds the files of one series.
        row: counted from 0. Of a file: the frame; ``None`` for the one that ``dicom.frames`` names. Of a series: the
            number among ``dicom.slices`` evenly spaced slices; ``None`` for the middle slice.
        threads: how many CPUs only this caller uses; see `fedgraft.client.images.dicom.decoders.decoded`.

    Returns:
        ``(H, W)`` or, for colour and with ``dicom.neighbours``, ``(H, W, 3)``; float32 in [0, 1], 1 = white.

    Raises:
        CaseError: the file can't be used, for any reason; the text quotes nothing from the file.
    """
    try:
        if path.is_dir():
            return _slice(path, dicom, limits, row, threads)
        with header_of(path, limits) as header:
            return _frame(header, dicom, limits, row, threads)
    except CaseError:
        raise
    except MemoryError:
        raise CaseError("crashed", "there is not enough memory to decode the file") from None
    except Exception as error:  # decoders raise anything for a damaged file, and their text may quote from it
        raise CaseError("damaged", f"the file can't be decoded ({type(error).__name__})") from None


def frame_count(path: Path, limits: Limits) -> int:
    """How many frames a file has, or slices a series; raises `CaseError` as `read_dicom` does."""
    try:
        if path.is_dir():
            return len(slices_of(path, limits))
        with header_of(path, limits) as header:
            return layout_of(header, limits).frames
    except CaseError:
        raise
    except Exception as error:
        raise CaseError("damaged", f"the file can't be parsed ({type(error).__name__})") from None


def sources(path: Path, dicom: DicomSection, limits: Limits, row: int | None = None) -> tuple[Source, ...]:
    """The files that `read_dicom` reads, with their frames; raises `CaseError` as it does."""
    if path.is_dir():
        slices = slices_of(path, limits)
        chosen = _chosen_slice(len(slices), dicom, row)
        wanted = neighbours(chosen, len(slices)) if dicom.neighbours else (chosen,)
        return tuple(Source(slices[place].path) for place in sorted(set(wanted)))
    count = frame_count(path, limits)
    if count == 1:
        return (Source(path),)
    chosen = chosen_frame(count, dicom, row)
    return (Source(path, tuple(sorted(set(neighbours(chosen, count) if dicom.neighbours else (chosen,))))),)


def _frame(header: Header, dicom: DicomSection, limits: Limits, row: int | None, threads: int) -> DecodedImage:
    layout = layout_of(header, limits)
    chosen = chosen_frame(layout.frames, dicom, row)
    if not dicom.neighbours:
        pixels, aspect = plane(header, layout, dicom, limits, chosen, threads)
        return DecodedImage(square(pixels, aspect, limits), header.marks)
    wanted = neighbours(chosen, layout.frames)
    groups = {frame: frame_elements(header.elements, frame) for frame in set(wanted)}
    rescales = [rescale_of(elements, layout) for elements in groups.values()]
    for elements in groups.values():
        check_scale(rescales, elements, layout, dicom)
    planes = {frame: plane(header, layout, dicom, limits, frame, threads) for frame in set(wanted)}
    stacked = _channels([planes[frame][0] for frame in wanted])
    return DecodedImage(square(stacked, planes[chosen][1], limits), header.marks)


def _slice(folder: Path, dicom: DicomSection, limits: Limits, row: int | None, threads: int) -> DecodedImage:
    slices = slices_of(folder, limits)
    chosen = _chosen_slice(len(slices), dicom, row)
    wanted = neighbours(chosen, len(slices)) if dicom.neighbours else (chosen,)
    rescales, read = [one.rescale for one in slices], {}
    for number in set(wanted):
        with header_of(slices[number].path, limits) as header:
            layout = layout_of(header, limits)
            check_scale(rescales, frame_elements(header.elements, 0), layout, dicom)
            read[number] = (*plane(header, layout, dicom, limits, 0, threads), header.marks)
    pixels = _channels([read[number][0] for number in wanted]) if dicom.neighbours else read[chosen][0]
    marks = read[chosen][2]
    for _, _, others in read.values():
        marks |= others
    return DecodedImage(square(pixels, read[chosen][1], limits), marks)


def _chosen_slice(slices: int, dicom: DicomSection, row: int | None) -> int:
    places = spread(slices, dicom.slices if row is not None else 1)
    if not 0 <= (row or 0) < len(places):
        raise CaseError("no-frame")
    return places[row or 0]


def _channels(planes: list[Pixels]) -> Pixels:
    """Neighbouring slices as the channels of one image, 2.5D."""
    if any(one.ndim != 2 for one in planes):
        raise CaseError("unsupported", "dicom.neighbours needs grey slices; these have colour")
    return np.stack(planes, axis=-1)


def chosen_frame(frames: int, dicom: DicomSection, row: int | None) -> int:
    """The frame to read; of an even number of frames, the middle one is the later of two.

    Raises:
        CaseError: ``no-frame``: there is no such frame; or the plan wants all, and the case has not been expanded.
    """
    if row is None and dicom.frames == "all" and frames > 1:
        raise CaseError("no-frame", "dicom.frames is all: each frame must be a case of its own")
    words = {"first": 0, "all": 0, "middle": frames // 2}
    chosen = row if row is not None else words[dicom.frames] if isinstance(dicom.frames, str) else dicom.frames
    if not 0 <= chosen < frames:
        raise CaseError("no-frame")
    return chosen


def plane(
    header: Header, layout: Layout, dicom: DicomSection, limits: Limits, frame: int, threads: int = 1
) -> tuple[Pixels, float]:
    """One frame as displayed, before its pixels are made square, and the aspect of its pixels."""
    cells, photometric = stored(header, layout, limits, frame, threads)
    elements = frame_elements(header.elements, frame)
    return displayed(cells, photometric, elements, layout, dicom), aspect_of(elements)


def stored(header: Header, layout: Layout, limits: Limits, frame: int, threads: int = 1) -> tuple[Stored, str]:
    """The stored values of one frame, and their photometric interpretation.

    Raises:
        CaseError: ``unsupported``: the transfer syntax; or as the modules `frames`, `codestream` and `decoders` say.
    """
    if header.syntax in NATIVE:
        return native(header, layout, frame, limits), layout.photometric
    if header.syntax not in SYNTAXES:
        raise CaseError("unsupported", "(0002,0010) Transfer Syntax UID is not one that FedGraft reads")
    data = encapsulated(header, layout, frame, limits)
    return decoded(header.syntax, codestream_of(header.syntax, data, layout), data, layout, threads)


def displayed(cells: Stored, photometric: str, elements: FrameElements, layout: Layout, dicom: DicomSection) -> Pixels:
    """Convert stored values to displayed ones, by their photometric interpretation.

    Raises:
        CaseError: ``no-unit``: a window for colour; ``inconsistent``; or as `grey` and `palette_colour`.
    """
    if photometric in GREY:
        return grey(cells, elements, layout, dicom)
    if dicom.window not in ("file", "none"):
        raise CaseError("no-unit", "a window is for grey values (PS3.3 C.11.2), and the image has colour")
    if photometric == PALETTE:
        return palette_colour(cells, elements.dataset, layout)
    if photometric not in COLOUR[:3]:
        raise CaseError("inconsistent", "YBR_ICT and YBR_RCT are for JPEG 2000 alone (PS3.3 C.7.6.3.1.2)")
    return colour(cells, photometric, layout)
