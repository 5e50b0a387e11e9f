"""Convert colour frames to RGB: YBR_* and PALETTE COLOR (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

from struct import Struct

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.layout import Layout, Stored, looked_up, used_bits
from fedgraft.client.images.dicom.lut import lut
from fedgraft.client.images.dicom.values import Elements, named

DISCRETE, LINEAR, INDIRECT = 0, 1, 2


FROM_YBR = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], np.float32)
"""The inverse of the matrix in C.7.6.3.1.2, which is ITU-R BT.601's with full range (JFIF)."""


def colour(cells: Stored, photometric: str, layout: Layout) -> NDArray[np.float32]:
    """Convert a colour frame to RGB.

    Args:
        cells: ``(rows, columns, 3)`` unsigned integers.
        photometric: photometric interpretation of ``cells``: RGB, YBR_FULL, or YBR_FULL_422 at full resolution.

    Returns:
        ``(rows, columns, 3)`` float32 in [0, 1]; 1 is the largest number that Bits Stored can hold.
    """
    bits = used_bits(np.ascontiguousarray(cells), layout)
    unit: NDArray[np.float32] = bits.astype(np.float32) / np.float32((1 << layout.stored) - 1)
    return unit if photometric == "RGB" else ybr_to_rgb(unit, (1 << layout.stored - 1) / ((1 << layout.stored) - 1))


def ybr_to_rgb(unit: NDArray[np.float32], middle: float) -> NDArray[np.float32]:
    """Convert YBR_FULL to RGB, both ``(..., 3)`` float32 in [0, 1].

    Args:
        unit: Y, CB, CR.
        middle: the value of CB and CR for no colour, 128/255 with 8 bits.
    """
    centred = unit - np.array([0, middle, middle], np.float32)
    rgb: NDArray[np.float32] = np.clip(centred @ FROM_YBR.T, 0, 1)
    return rgb


def palette_colour(cells: Stored, dataset: Elements, layout: Layout) -> NDArray[np.float32]:
    """Look up a PALETTE COLOR frame in its palette.

    Args:
        cells: ``(rows, columns)`` integers as stored.

    Returns:
        ``(rows, columns, 3)`` float32 in [0, 1], RGB; 1 is the largest number that an entry's bits can hold.

    Raises:
        CaseError: ``inconsistent``: a table is missing, too short, or holds more than its descriptor says.
    """
    if layout.signed:
        raise CaseError("inconsistent", "PALETTE COLOR pixels are never signed (PS3.3 C.7.6.3.1.2)")
    if layout.stored > 16:
        raise CaseError("unsupported", "PALETTE COLOR pixels have at most 16 bits")
    values = np.arange(1 << layout.stored)
    colours = np.empty((len(values), 3), np.float32)
    for channel, colour in enumerate(("Red", "Green", "Blue")):
        descriptor = dataset.numbers(f"{colour}PaletteColorLookupTableDescriptor")
        plain = f"{colour}PaletteColorLookupTableData"
        if dataset.has(plain):
            table = lut(descriptor, dataset.raw(plain), big=dataset.encoding.big, what=plain)
        else:
            segmented = f"Segmented{plain}"
            if len(descriptor) != 3:
                raise CaseError("inconsistent", f"the descriptor of {named(plain)} has not three values")
            data = expand_segments(
                dataset.raw(segmented), int(descriptor[0]) or 2**16, wide=descriptor[2] > 8, big=dataset.encoding.big
            )
            table = lut(descriptor, data, what=segmented)
        place = np.clip(values - table.first, 0, len(table.table) - 1)
        colours[:, channel] = table.table[place] / table.top
    return looked_up(colours, cells, layout)


def expand_segments(data: bytes, count: int, *, wide: bool, big: bool = False) -> bytes:
    """Expand a segmented palette table to a plain one, PS3.3 C.7.9.2.

    Args:
        count: the descriptor's number of entries; expansion stops at more.
        wide: whether entries and opcodes have 16 bits; else 8.

    Returns:
        the entries, little endian.

    Raises:
        CaseError: ``inconsistent``: an unknown opcode, a segment beyond the data, or another number of entries.
    """
    words = np.frombuffer(data, (">u2" if big else "<u2") if wide else np.uint8).astype(np.int64).tolist()
    made: list[int] = []
    _segments(words, 0, len(words), made, count, wide)
    if len(made) != count:
        raise CaseError("inconsistent", "a segmented palette has not as many entries as its descriptor says")
    return np.array(made, "<u2" if wide else np.uint8).tobytes()


def _segments(
    words: list[int], place: int, most: int, made: list[int], count: int, wide: bool, nested: bool = False
) -> None:
    """Expand up to ``most`` segments, starting at index ``place`` of ``words``; append their entries to ``made``."""
    done = 0
    while done < most and place + 1 < len(words):
        kind, length = words[place], words[place + 1]
        if kind == DISCRETE:
            fresh, place = words[place + 2 : place + 2 + length], place + 2 + length
        elif kind == LINEAR and made and length and place + 2 < len(words):
            start, rise = made[-1], words[place + 2] - made[-1]
            fresh, place = [start + round(rise * step / length) for step in range(1, length + 1)], place + 3
        elif kind == INDIRECT and not nested:
            target, place = _target(words[place + 2 : place + (4 if wide else 6)], wide), place + (4 if wide else 6)
            _segments(words, target, length, made, count, wide, nested=True)
            fresh = []
        else:
            raise CaseError("inconsistent", "a segmented palette has a segment that PS3.3 C.7.9.2 does not allow")
        made.extend(fresh)
        done += 1
        if place > len(words) or len(made) > count:
            raise CaseError("inconsistent", "a segmented palette has not as many entries as its descriptor says")


def _target(offset: list[int], wide: bool) -> int:
    """The index in the words of a 32-bit byte offset, given as two words or four bytes, least significant first."""
    packed = b"".join(word.to_bytes(2 if wide else 1, "little") for word in offset)
    if len(packed) != 4:
        raise CaseError("inconsistent", "a segmented palette ends inside a segment")
    (start,) = Struct("<L").unpack(packed)
    return int(start) // (2 if wide else 1)
