"""Look-up tables of the modality and VOI LUT modules (PS3.3 C.11.1.1, C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.values import Elements, named

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Lut:
    """A look-up table. ``table``: (n,) float64; ``first``: input of ``table[0]``; ``top``: largest possible entry."""

    table: Array
    first: int
    top: float


def look_up(values: Array, table: Array, first: int) -> Array:
    """Apply a modality or VOI LUT: ``table[0]`` for inputs up to ``first``, the last entry for all beyond the table."""
    index = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)
    mapped: Array = table[index]
    return mapped


def lut_of(item: Elements, *, signed: bool) -> Lut:
    """Read one item of a LUT sequence.

    Args:
        signed: whether the LUT's input may be below 0, which decides the sign of its descriptor if the VR does not.

    Raises:
        CaseError: ``inconsistent``: (0028,3002) LUT Descriptor or (0028,3006) LUT Data is missing, or they contradict.
    """
    descriptor = item.numbers("LUTDescriptor", signed=signed)
    return lut(descriptor, item.raw("LUTData"), big=item.encoding.big, what="LUTData")


def lut(descriptor: tuple[float, ...], data: bytes, *, big: bool = False, what: str = "LUTData") -> Lut:
    """Read a table of 8-bit or 16-bit entries.

    Args:
        descriptor: number of entries, first input, bits of an entry.
        data: two bytes per entry, or one if there are fewer bytes than that.
        what: the data's keyword, named in errors.

    Raises:
        CaseError: ``inconsistent``: descriptor and data contradict each other.
    """
    if len(descriptor) != 3:
        raise CaseError("inconsistent", f"the descriptor of {named(what)} has not three values")
    count, first, bits = (int(value) for value in descriptor)
    count = count & 0xFFFF or 2**16  # 0 stands for 2^16; read as signed, more than 2^15 - 1 looks negative
    if not 1 <= bits <= 16:
        raise CaseError("inconsistent", f"the descriptor of {named(what)} says that an entry has {bits} bits")
    wide = len(data) >= 2 * count
    if len(data) < count:
        raise CaseError("inconsistent", f"{named(what)} is shorter than its descriptor says")
    table = np.frombuffer(data, (">u2" if big else "<u2") if wide else np.uint8, count=count).astype(np.float64)
    top = 2.0**bits - 1 if wide or bits <= 8 else 255.0  # one byte holds no more, whatever the descriptor says
    if table.max() > top:
        raise CaseError("inconsistent", f"{named(what)} holds more than its descriptor says")
    return Lut(table, first, top)
