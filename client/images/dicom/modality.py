"""Convert stored values to the modality's unit: modality LUT, or rescale slope and intercept (PS3.3 C.11.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.layout import Layout
from fedgraft.client.images.dicom.lut import Lut, look_up, lut_of
from fedgraft.client.images.dicom.values import FrameElements

Array = NDArray[np.float64]
TRANSFORMATION = "PixelValueTransformationSequence"


class RescaleLine(NamedTuple):
    """(0028,1053) Rescale Slope and (0028,1052) Rescale Intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True)
class Modality:
    """A modality transformation: a table, or slope and intercept.

    ``stated``: whether the file states it; if not, stored values have no known unit. ``hounsfield``: whether the unit
    is known to be HU: (0028,1054) Rescale Type says so, or it is absent and the modality is CT, whose rescale gives HU
    (C.8.2.1.1.2).
    """

    slope: float = 1.0
    intercept: float = 0.0
    table: Lut | None = None
    stated: bool = False
    hounsfield: bool = False

    def __call__(self, stored: Array) -> Array:
        """Convert stored values to the modality's unit; any shape, float64."""
        if self.table is not None:
            return look_up(stored, self.table.table, self.table.first)
        return rescale(stored, self.slope, self.intercept)

    def range(self, low: float, high: float) -> tuple[float, float]:
        """The smallest and largest result for stored values between ``low`` and ``high``."""
        if self.table is not None:
            return 0.0, self.table.top
        first, second = self.slope * low + self.intercept, self.slope * high + self.intercept
        return min(first, second), max(first, second)


def modality_of(frame: FrameElements, layout: Layout) -> Modality:
    """The modality transformation of a frame.

    Raises:
        CaseError: ``inconsistent``: the slope is 0, or only one of slope and intercept is there.
    """
    table = frame.dataset.item("ModalityLUTSequence")
    if table is not None:
        return Modality(table=lut_of(table, signed=layout.signed), stated=True)
    line = line_of(frame)
    if line is None:
        return Modality()
    unit = frame.macro(TRANSFORMATION).code("RescaleType")
    computed = frame.dataset.code("Modality") == "CT"
    return Modality(*line, None, True, unit == "HU" or (computed and unit in ("", "US")))


def line_of(frame: FrameElements) -> RescaleLine | None:
    """The rescale that a frame states, or ``None``.

    Raises:
        CaseError: as `modality_of`.
    """
    read = frame.macro(TRANSFORMATION)
    slope, intercept = read.number("RescaleSlope"), read.number("RescaleIntercept")
    if slope is None and intercept is None:
        return None
    if slope is None or intercept is None:
        raise CaseError("inconsistent", "only one of (0028,1053) Rescale Slope and (0028,1052) Rescale Intercept")
    if slope == 0:
        raise CaseError("inconsistent", "(0028,1053) Rescale Slope is 0")
    return RescaleLine(slope, intercept)


def stored_range(bits: int, *, signed: bool) -> tuple[float, float]:
    """The smallest and largest stored value by (0028,0101) Bits Stored and (0028,0103) Pixel Representation (PS3.3
    C.7.6.3.1)."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def rescale(stored: Array, slope: float, intercept: float) -> Array:
    """Modality rescale, PS3.3 C.11.1.1.2: (0028,1053) Rescale Slope, (0028,1052) Rescale Intercept."""
    return stored * slope + intercept
