"""A decoded image: its pixels, and what the file states about de-identification."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DeidentificationFlag(IntFlag):
    """What a file states about de-identification (PS3.3 C.7.6.1, C.7.1.1; PS3.15 E); only DICOM files have flags."""

    NONE = 0
    BURNED_IN = 1
    """(0028,0301) Burned In Annotation is YES."""
    BURNED_IN_UNSTATED = 2
    IDENTITY_KEPT = 4
    """(0012,0062) Patient Identity Removed is NO."""
    IDENTITY_UNSTATED = 8
    PRIVATE = 16
    """There are private elements (PS3.5 section 7.8)."""
    OVERLAY = 32
    """There are overlay planes (PS3.3 C.9.2), which may hold text."""


class DecodedImage(NamedTuple):
    """One image: ``(H, W)`` or ``(H, W, 3)`` float32 in [0, 1], 1 = white.

    ``top``: the largest stored value of a picture of 16 bits of which nobody said how many are used; else 0.
    """

    pixels: NDArray[np.float32]
    marks: DeidentificationFlag = DeidentificationFlag.NONE
    top: int = 0
