"""Read how pixels are stored (PS3.3 C.7.6.3 Image Pixel Module), and check it for contradictions and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.header import DOUBLES, FLOATS, Header
from fedgraft.client.images.dicom.values import Elements, named
from fedgraft.client.site.limits import Limits

Stored = NDArray[Any]
"""``(rows, columns)`` or ``(rows, columns, 3)``; integers with anything in their unused bits, or floats."""

BLOCK = 1 << 15
"""Pixels that are looked up at once: their indices, four bytes each, fit into the processor's cache."""


GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
PALETTE = "PALETTE COLOR"
PHOTOMETRIC = (*GREY, PALETTE, *COLOUR)
FLOAT_BITS = {FLOATS: 32, DOUBLES: 64}
NATIVE = frozenset(
    {
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    }
)


@dataclass(frozen=True)
class Layout:
    """How one frame is stored, and the number of frames.

    ``samples``: per pixel. ``photometric``: photometric interpretation. ``allocated``, ``stored``: bits of one sample.
    ``shift``: unused low bits. ``planar``: colour is stored plane by plane (native pixels only). ``real``: pixels are
    float or double.
    """

    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    shift: int
    signed: bool
    planar: bool
    frames: int
    real: bool = False

    @property
    def cells(self) -> int:
        """Samples of one native frame; YBR_FULL_422 has two per pixel (PS3.3 C.7.6.3.1.2)."""
        per_pixel = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * per_pixel


def layout_of(header: Header, limits: Limits) -> Layout:
    """Read and check a file's layout, before any memory is allocated for its pixels.

    Raises:
        CaseError: ``no-pixels``; ``inconsistent``: an element is missing or contradicts another one; ``unsupported``;
            ``too-large``: beyond ``limits``.
    """
    if header.pixels is None:
        raise CaseError("no-pixels")
    read = header.elements
    rows, columns, frames = _needed(read, "Rows"), _needed(read, "Columns"), _frames(read)
    _check_limits(rows, columns, frames, limits)
    samples, photometric = _needed(read, "SamplesPerPixel"), read.code("PhotometricInterpretation")
    _check_photometric(photometric, samples)
    real = header.pixels.tag in FLOAT_BITS
    if real:
        allocated = stored = FLOAT_BITS[header.pixels.tag]
        if _needed(read, "BitsAllocated") != allocated:
            raise CaseError("inconsistent", f"{named('BitsAllocated')} contradicts the kind of pixel data")
        shift, signed = 0, False
        if photometric not in GREY:
            raise CaseError("unsupported", "float pixels are only read if they are grey")
    else:
        allocated, stored, shift = _bits(read)
        signed = _flag(read, "PixelRepresentation") == 1
    bytes_ = rows * columns * samples * max(allocated, 8) // 8
    if bytes_ > limits.decoded_bytes:
        raise CaseError("too-large", f"a frame decodes to more than {limits.decoded_bytes} bytes")
    if signed and photometric in COLOUR:
        raise CaseError("inconsistent", f"{named('PixelRepresentation')} says that colour is signed")
    planar = samples > 1 and header.syntax in NATIVE and _flag(read, "PlanarConfiguration") == 1
    if photometric == "YBR_FULL_422" and header.syntax in NATIVE and (planar or columns % 2 or allocated != 8):
        raise CaseError("inconsistent", "YBR_FULL_422 needs an even number of columns, 8 bits, and colour by pixel")
    return Layout(rows, columns, samples, photometric, allocated, stored, shift, signed, planar, frames, real)


def _frames(read: Elements) -> int:
    frames = read.integer("NumberOfFrames")
    if frames is not None and frames < 1:
        raise CaseError("inconsistent", f"{named('NumberOfFrames')} is below 1")
    return frames or 1


def _check_limits(rows: int, columns: int, frames: int, limits: Limits) -> None:
    if min(rows, columns) < 1:
        raise CaseError("inconsistent", f"{named('Rows')} or {named('Columns')} is 0")
    if rows * columns > limits.pixels:
        raise CaseError("too-large", f"a frame has more than {limits.pixels} pixels")
    if frames > limits.frames:
        raise CaseError("too-large", f"the file has more than {limits.frames} frames")


def _check_photometric(photometric: str, samples: int) -> None:
    if photometric not in PHOTOMETRIC:
        # the value is not quoted: in a damaged file it may be anything, even a name
        raise CaseError("unsupported", f"{named('PhotometricInterpretation')} must be one of {', '.join(PHOTOMETRIC)}")
    if samples != (3 if photometric in COLOUR else 1):
        raise CaseError("inconsistent", f"{named('SamplesPerPixel')} contradicts {named('PhotometricInterpretation')}")


def _bits(read: Elements) -> tuple[int, int, int]:
    """Bits allocated, bits stored, and how many unused bits lie below the lowest one (PS3.5 section 8.1.1)."""
    allocated, stored = _needed(read, "BitsAllocated"), _needed(read, "BitsStored")
    if allocated not in (1, 8, 16, 32):
        raise CaseError("unsupported", f"{named('BitsAllocated')} must be 1, 8, 16 or 32")
    high = read.integer("HighBit")
    high = stored - 1 if high is None else high
    if not 1 <= stored <= allocated or not stored - 1 <= high < allocated:
        raise CaseError("inconsistent", f"{named('BitsStored')} or {named('HighBit')} is beyond Bits Allocated")
    return allocated, stored, high - stored + 1


def _needed(read: Elements, keyword: str) -> int:
    value = read.integer(keyword)
    if value is None:
        raise CaseError("inconsistent", f"{named(keyword)} is not there")
    return value


def _flag(read: Elements, keyword: str) -> int:
    value = _needed(read, keyword)
    if value not in (0, 1):
        raise CaseError("inconsistent", f"{named(keyword)} must be 0 or 1")
    return value


def used_bits(cells: Stored, layout: Layout) -> NDArray[np.unsignedinteger[Any]]:
    """The Bits Stored bits of each cell as unsigned integers; the other bits may hold anything, for instance overlays
    (retired (60xx,0102))."""
    bits: NDArray[np.unsignedinteger[Any]] = cells.view(np.dtype(f"u{cells.dtype.itemsize}"))
    if layout.shift:
        bits = np.right_shift(bits, bits.dtype.type(layout.shift))
    if layout.stored < 8 * bits.dtype.itemsize:
        bits = np.bitwise_and(bits, bits.dtype.type((1 << layout.stored) - 1))
    return bits


def looked_up(table: NDArray[np.float32], cells: Stored, layout: Layout) -> NDArray[np.float32]:
    """Look up each cell in a table with one entry for each value of Bits Stored bits.

    Args:
        table: ``(2^bits,)``, or ``(2^bits, 3)`` for colour.
        cells: ``(rows, columns)``.

    Returns:
        ``(rows, columns)`` or ``(rows, columns, 3)`` float32.
    """
    pixels = np.empty(cells.shape + table.shape[1:], np.float32)
    flat, mapped = cells.reshape(-1), torch.from_numpy(pixels.reshape(-1, *table.shape[1:]))
    bits: NDArray[np.unsignedinteger[Any]] = flat.view(np.dtype(f"u{cells.dtype.itemsize}"))
    if bits.dtype.itemsize <= 2:  # one table of all that a cell can hold, whatever is in its unused bits
        table = table[used_bits(np.arange(1 << 8 * bits.dtype.itemsize, dtype=bits.dtype), layout)]
    else:
        bits = used_bits(flat, layout)
    entries = torch.from_numpy(table)
    for start in range(0, flat.size, BLOCK):  # torch's look-up takes two thirds of numpy's time
        places = torch.from_numpy(bits[start : start + BLOCK].astype(np.int32))
        torch.index_select(entries, 0, places, out=mapped[start : start + BLOCK])
    return pixels
