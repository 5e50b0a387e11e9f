"""Stored values: which of a cell's bits count (PS3.5 section 8.1.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.dicom.layout import Layout

Stored = NDArray[Any]
"""``(rows, columns)`` or ``(rows, columns, 3)``; integers with whatever is in unused bits, or floats."""

BLOCK = 1 << 15
"""Pixels looked up at once: the indices, eight bytes each, stay in the processor's cache and cost no fresh memory."""


def used_bits(cells: Stored, layout: Layout) -> NDArray[np.unsignedinteger[Any]]:
    """Bits Stored bits of each cell, without a sign; the others may hold overlays (retired (60xx,0102)) or anything."""
    bits: NDArray[np.unsignedinteger[Any]] = cells.view(np.dtype(f"u{cells.dtype.itemsize}"))
    if layout.shift:
        bits = np.right_shift(bits, bits.dtype.type(layout.shift))
    if layout.stored < 8 * bits.dtype.itemsize:
        bits = np.bitwise_and(bits, bits.dtype.type((1 << layout.stored) - 1))
    return bits


def looked_up(table: NDArray[np.float32], cells: Stored, layout: Layout) -> NDArray[np.float32]:
    """The entry of ``table``, which has one for each value of Bits Stored bits, for each cell.

    Args:
        table: ``(2^bits,)``, or ``(2^bits, 3)`` for colour.
        cells: ``(rows, columns)``.
    """
    pixels = np.empty(cells.shape + table.shape[1:], np.float32)
    flat, mapped = cells.reshape(-1), pixels.reshape(-1, *table.shape[1:])
    for start in range(0, flat.size, BLOCK):
        block = slice(start, start + BLOCK)
        np.take(table, used_bits(flat[block], layout), axis=0, mode="wrap", out=mapped[block])
    return pixels
