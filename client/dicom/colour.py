"""Colour frames: RGB and YBR_* to RGB (PS3.3 C.7.6.3.1.2)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.dicom.layout import Layout
from fedgraft.client.dicom.stored import Stored, used_bits

FROM_YBR = np.array([[1.0, 0.0, 1.402], [1.0, -0.344136, -0.714136], [1.0, 1.772, 0.0]], np.float32)
"""The inverse of the matrix of C.7.6.3.1.2, which is that of ITU-R BT.601 with full range (JFIF)."""


def colour(cells: Stored, photometric: str, layout: Layout) -> NDArray[np.float32]:
    """A colour frame to RGB.

    Args:
        cells: ``(rows, columns, 3)`` unsigned integers.
        photometric: of ``cells``; RGB, YBR_FULL or YBR_FULL_422 (given at full resolution).

    Returns:
        ``(rows, columns, 3)`` float32 in [0, 1]; 1 is the most that Bits Stored can hold.
    """
    bits = used_bits(np.ascontiguousarray(cells), layout)
    unit: NDArray[np.float32] = bits.astype(np.float32) / np.float32((1 << layout.stored) - 1)
    return unit if photometric == "RGB" else ybr_to_rgb(unit, (1 << layout.stored - 1) / ((1 << layout.stored) - 1))


def ybr_to_rgb(unit: NDArray[np.float32], middle: float) -> NDArray[np.float32]:
    """YBR_FULL to RGB.

    Args:
        unit: ``(..., 3)`` Y, CB, CR in [0, 1].
        middle: what stands for no colour difference, 128/255 with 8 bits.
    """
    centred = unit - np.array([0, middle, middle], np.float32)
    rgb: NDArray[np.float32] = np.clip(centred @ FROM_YBR.T, 0, 1)
    return rgb
