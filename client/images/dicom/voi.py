"""Map the displayed range of values to [0, 1]: VOI LUT or window (PS3.3 C.11.2)."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.layout import GREY, Layout
from fedgraft.client.images.dicom.lut import Lut, look_up, lut_of
from fedgraft.client.images.dicom.modality import Modality, RescaleLine, line_of, modality_of
from fedgraft.client.images.dicom.values import FrameElements
from fedgraft.common.plan.ct_windows import PRESETS, Window, named_window
from fedgraft.common.plan.data_sections import DicomSection

Array = NDArray[np.float64]
FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


def voi_of(frame: FrameElements, modality: Modality, dicom: DicomSection, *, signed: bool) -> Window | Lut | None:
    """The frame's window or VOI LUT by the plan's ``dicom.window`` and ``dicom.choice``; ``None`` for its full range.

    ``dicom.choice`` counts the file's VOI LUTs first, then its windows.

    Args:
        signed: whether the values after the modality transformation may be below 0.

    Raises:
        CaseError: ``no-unit``: a preset for values that are not known to be HU, or ``CENTER/WIDTH`` for a CT without
            a rescale; ``no-window``: the file has windows, but too few for ``dicom.choice``; ``inconsistent``.
    """
    if dicom.window == "none":
        return None
    if dicom.window != "file":
        return _asked(frame, modality, dicom.window)
    read = frame.macro("FrameVOILUTSequence")
    tables = list(frame.dataset.items("VOILUTSequence")) or list(read.items("VOILUTSequence"))
    if dicom.choice < len(tables):
        return lut_of(tables[dicom.choice], signed=signed)
    centers, widths = read.numbers("WindowCenter"), read.numbers("WindowWidth")
    if len(centers) != len(widths):
        raise CaseError("inconsistent", "(0028,1050) Window Center and (0028,1051) Window Width differ in number")
    position = dicom.choice - len(tables)
    if position < len(centers):
        function = read.code("VOILUTFunction") or "LINEAR"
        return _checked(Window(centers[position], widths[position], function))
    if not tables and not centers:
        return None
    raise CaseError("no-window", f"the plan's dicom.choice is {dicom.choice}: the file has not so many windows")


def apply_voi(values: Array, voi: Window | Lut | None, low: float, high: float) -> Array:
    """Map values to [0, 1] by a window, a VOI LUT or, if ``voi`` is ``None``, their full range.

    Args:
        values: any shape, float64, in the unit of the modality transformation.
        low, high: the full range of values.
    """
    if isinstance(voi, Window):
        return window(values, voi.center, voi.width, voi.function)
    if voi is not None:
        return to_range(look_up(values, voi.table, voi.first), 0.0, voi.top)
    return to_range(values, low, high)


def window(values: Array, center: float, width: float, function: str = "LINEAR") -> Array:
    """Window to [0, 1], PS3.3 C.11.2.1.2 and C.11.2.1.3.

    Args:
        values: any shape, in the units of the modality rescale.
        center: (0028,1050) Window Center, same units.
        width: (0028,1051) Window Width, same units.
        function: (0028,1056) VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID.
    """
    if function == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2 * (values - center) / width)  # = 1 / (1 + exp(-4 (x - c) / w)), no overflow
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)


def to_range(values: Array, low: float, high: float) -> Array:
    """Map ``low`` to 0 and ``high`` to 1, linearly, and clip the rest."""
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def _asked(frame: FrameElements, modality: Modality, text: str) -> Window:
    if text in PRESETS and not modality.hounsfield:
        raise CaseError("no-unit", f"dicom.window={text} is in HU, and the file does not say that its values are")
    if not modality.stated and frame.dataset.code("Modality") == "CT":
        raise CaseError("no-unit", "dicom.window is in HU, and this CT has no rescale: its values have no unit")
    return named_window(text)


def _checked(found: Window) -> Window:
    if found.function not in FUNCTIONS:
        raise CaseError("inconsistent", "(0028,1056) VOI LUT Function must be LINEAR, LINEAR_EXACT or SIGMOID")
    least = "at least 1" if found.function == "LINEAR" else "above 0"
    if found.width <= 0 or (found.function == "LINEAR" and found.width < 1):
        raise CaseError("inconsistent", f"(0028,1051) Window Width must be {least} for a {found.function} window")
    return found


def rescale_of(frame: FrameElements, layout: Layout) -> RescaleLine | None:
    """The rescale of a grey frame, slope 1 and intercept 0 if the file states none; ``None`` for a LUT or for colour.

    Raises:
        CaseError: ``inconsistent``, as `fedgraft.client.images.dicom.modality.modality_of`.
    """
    if layout.photometric not in GREY or frame.dataset.has("ModalityLUTSequence"):
        return None
    return line_of(frame) or RescaleLine(1.0, 0.0)


def check_scale(
    rescales: Iterable[RescaleLine | None], frame: FrameElements, layout: Layout, dicom: DicomSection
) -> None:
    """Refuse a slice or frame whose grey values would not be comparable with its neighbours'.

    Args:
        rescales: of all slices of the series, or frames of the file, that are compared.
        frame, layout: of the slice or frame that is read.

    Raises:
        CaseError: ``mixed-series``: the rescales differ, and this one has no window, VOI LUT or preset.
    """
    if layout.photometric not in GREY or len(set(rescales)) < 2:
        return
    if voi_of(frame, modality_of(frame, layout), dicom, signed=layout.signed) is None:
        raise CaseError(
            "mixed-series",
            "slices differ in (0028,1053) Rescale Slope or (0028,1052) Rescale Intercept, and no window applies: "
            "set dicom.window to CENTER/WIDTH",
        )
