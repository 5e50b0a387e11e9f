"""Convert a grey frame's stored values to float32 in [0, 1]: modality, VOI and presentation transformation, padding.

With up to 16 bits there are fewer possible values than pixels: a table is computed, in float64, for every value that
Bits Stored can hold, and the pixels are looked up in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.layout import Layout, Stored, looked_up, used_bits
from fedgraft.client.images.dicom.modality import Modality, modality_of, stored_range
from fedgraft.client.images.dicom.values import FrameElements
from fedgraft.client.images.dicom.voi import Array, apply_voi, voi_of
from fedgraft.common.plan.data_sections import DicomSection

Pixels = NDArray[np.float32]
SHAPES = ("", "IDENTITY", "INVERSE")


@dataclass(frozen=True)
class Padding:
    """Stored values from ``low`` to ``high``, both included, are padding and not part of the image."""

    low: float
    high: float


def grey(cells: Stored, frame: FrameElements, layout: Layout, dicom: DicomSection) -> Pixels:
    """Convert a grey frame's stored values to displayed ones.

    Args:
        cells: ``(rows, columns)``; integers as stored, with anything in unused bits; or floats.

    Returns:
        ``(rows, columns)`` float32 in [0, 1], 1 = white; padding is 0.

    Raises:
        CaseError: as `fedgraft.client.images.dicom.modality.modality_of`, `fedgraft.client.images.dicom.voi.voi_of` and
            `inverted`; ``inconsistent``: a float pixel is not finite.
    """
    modality = modality_of(frame, layout)
    if layout.real:
        values = cells.astype(np.float64)
        if not np.isfinite(values).all():
            raise CaseError("inconsistent", "a float pixel is not a finite number")
        low, high = float(values.min()), float(values.max())
        high = high if high > low else low + 1
    else:
        low, high = stored_range(layout.stored, signed=layout.signed)
    render = renderer(frame, layout, modality, dicom, low, high)
    if layout.real:
        return render(values).astype(np.float32)
    pixels = by_table(cells, layout, render)
    padding = padding_of(frame, layout)
    if padding is not None and not low <= padding.low <= padding.high <= high:
        whole = cells.view(np.dtype(f"{'i' if layout.signed else 'u'}{cells.dtype.itemsize}"))
        pixels[(whole >= padding.low) & (whole <= padding.high)] = 0  # padding beyond Bits Stored: compare all bits
    return pixels


def renderer(
    frame: FrameElements, layout: Layout, modality: Modality, dicom: DicomSection, low: float, high: float
) -> Callable[[Array], Array]:
    """All steps of a frame as one function of stored values (float64, between ``low`` and ``high``)."""
    bottom, top = modality.range(low, high)
    voi = voi_of(frame, modality, dicom, signed=bottom < 0)
    turned, padding = inverted(frame, layout), padding_of(frame, layout)

    def render(stored: Array) -> Array:
        unit = apply_voi(modality(stored), voi, bottom, top)
        if turned:
            unit = invert(unit)
        if padding is not None:
            unit = np.where((stored >= padding.low) & (stored <= padding.high), 0.0, unit)
        return unit

    return render


def by_table(cells: Stored, layout: Layout, render: Callable[[Array], Array]) -> Pixels:
    """Apply ``render`` to each pixel's stored value, through a table of all values if that is less work."""
    if layout.stored > 16 or cells.size <= 1 << layout.stored:
        return render(sign_extended(used_bits(cells, layout), layout)).astype(np.float32)
    table = render(sign_extended(np.arange(1 << layout.stored, dtype=np.uint32), layout)).astype(np.float32)
    return looked_up(table, cells, layout)


def sign_extended(bits: NDArray[np.unsignedinteger[Any]], layout: Layout) -> Array:
    """Bits Stored bits as numbers, float64: two's complement if the pixels are signed (PS3.5 section 8.1.1)."""
    values = bits.astype(np.float64)
    if layout.signed:
        values[values >= 2.0 ** (layout.stored - 1)] -= 2.0**layout.stored
    return values


def inverted(frame: FrameElements, layout: Layout) -> bool:
    """Whether the lowest value is displayed white.

    MONOCHROME1 (PS3.3 C.7.6.3.1.2) and (2050,0020) Presentation LUT Shape INVERSE (C.11.6) mean the same; if both are
    there, the image is inverted once.

    Raises:
        CaseError: ``inconsistent``: MONOCHROME1 with the shape IDENTITY, which C.8.11.3 forbids: one of them is wrong.
    """
    shape = frame.dataset.code("PresentationLUTShape")
    if shape not in SHAPES:
        raise CaseError("inconsistent", "(2050,0020) Presentation LUT Shape must be IDENTITY or INVERSE")
    negative = layout.photometric == "MONOCHROME1"
    if negative and shape == "IDENTITY":
        raise CaseError("inconsistent", "MONOCHROME1 contradicts (2050,0020) Presentation LUT Shape IDENTITY")
    return negative or shape == "INVERSE"


def invert(unit: Array) -> Array:
    """Invert values in [0, 1], as MONOCHROME1 requires (PS3.3 C.7.6.3.1.2)."""
    return 1.0 - unit


def padding_of(frame: FrameElements, layout: Layout) -> Padding | None:
    """The padding of (0028,0120) Pixel Padding Value and (0028,0121) Pixel Padding Range Limit (PS3.3 C.7.5.1.1.2).

    The standard puts padding where it is displayed darkest: below the image's values in MONOCHROME2, above them in
    MONOCHROME1. It is therefore displayed black, whatever the window.
    """
    value = frame.dataset.number("PixelPaddingValue", signed=layout.signed)
    if value is None or layout.real:
        return None
    limit = frame.dataset.number("PixelPaddingRangeLimit", signed=layout.signed)
    ends = [_as_stored(end, layout) for end in (value, value if limit is None else limit)]
    return Padding(min(ends), max(ends))


def _as_stored(value: float, layout: Layout) -> float:
    """A 16-bit padding value with the pixels' sign; many files write the VR US where it must be SS."""
    if layout.signed and value >= 2**15:
        return value - 2**16
    if not layout.signed and value < 0:
        return value + 2**16
    return value
