"""A DICOM file to float pixels, as PS3.3 of the standard says, step by step.

Stored values -> modality LUT or rescale (C.11.1) -> VOI LUT or window (C.11.2) -> photometric
interpretation (C.7.6.3.1.2) -> float32 in [0, 1], where 1 is white. The steps are functions of an array and
numbers. Only `ELEMENTS` are ever parsed, so that nothing that names a patient is held, logged or in an error.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from fedgraft.common.errors import DataError

Array = NDArray[np.float64]

ELEMENTS = (
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "PlanarConfiguration",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleIntercept",
    "RescaleSlope",
    "ModalityLUTSequence",
    "WindowCenter",
    "WindowWidth",
    "VOILUTFunction",
    "VOILUTSequence",
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
)
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


def read_dicom(path: Path) -> NDArray[np.float32]:
    """Read one single-frame image.

    Returns:
        ``(H, W)`` or, for a colour image, ``(H, W, 3)``; float32 in [0, 1], 1 = white. The range is that
        of the VOI LUT or window, or (if there is none) that of what Bits Stored can hold.

    Raises:
        DataError: the file is missing, is not DICOM, has no pixels or several frames, or can't be decoded.
            The message holds the path and technical values, never the content of another element.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        dataset = pydicom.dcmread(path, specific_tags=list(ELEMENTS))
    except InvalidDicomError:
        raise DataError(f"{path}: not a DICOM file (no DICM prefix, PS3.10 section 7.1)") from None
    except Exception as error:  # a damaged file makes the parser raise anything; its text may quote the file
        raise DataError(f"{path}: the DICOM elements can't be parsed ({type(error).__name__})") from None
    try:
        reason = unsupported(dataset)
        if reason is None:
            return to_unit(dataset, dataset.pixel_array).astype(np.float32)
    except Exception as error:  # likewise the decoders
        own = str(error) if isinstance(error, PixelError) else type(error).__name__
        raise DataError(f"{path}: the DICOM pixels can't be decoded ({own})") from None
    raise DataError(f"{path}: {reason}")


class PixelError(ValueError):
    """A value that the standard forbids; the text names the element and holds no other."""


def unsupported(dataset: Dataset) -> str | None:
    """Why FedGraft does not read this image, or ``None``."""
    if "PixelData" not in dataset:
        return "the DICOM file has no (7FE0,0010) Pixel Data"
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        return f"(0028,0008) Number of Frames is {frames}; write each frame as a DICOM file of its own"
    photometric = dataset.PhotometricInterpretation
    if photometric not in GREY + COLOUR:
        known = ", ".join(GREY + COLOUR)
        return f"(0028,0004) Photometric Interpretation {photometric} is not supported; use one of {known}"
    return None


def to_unit(dataset: Dataset, stored: NDArray[np.generic]) -> Array:
    """Stored values to [0, 1], by the elements of ``dataset``, which is not changed.

    Args:
        dataset: as read by `read_dicom`.
        stored: ``(H, W)`` or ``(H, W, 3)``, integers.
    """
    low, high = stored_range(dataset.BitsStored, signed=dataset.PixelRepresentation == 1)
    values = stored.astype(np.float64)
    if dataset.PhotometricInterpretation in COLOUR:
        return to_range(values, low, high)
    if dataset.get("ModalityLUTSequence"):
        table, first, high = lut(dataset.ModalityLUTSequence[0])
        low, values = 0.0, look_up(values, table, first)
    else:
        slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
        if slope == 0:
            raise PixelError("(0028,1053) Rescale Slope is 0")
        values = rescale(values, slope, intercept)
        low, high = sorted((slope * low + intercept, slope * high + intercept))
    unit = _voi(dataset, values, low, high)
    return invert(unit) if dataset.PhotometricInterpretation == "MONOCHROME1" else unit


def stored_range(bits: int, *, signed: bool) -> tuple[float, float]:
    """What (0028,0101) Bits Stored and (0028,0103) Pixel Representation can hold (PS3.3 C.7.6.3.1)."""
    return (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)


def rescale(stored: Array, slope: float, intercept: float) -> Array:
    """Modality rescale, PS3.3 C.11.1.1.2: (0028,1053) Rescale Slope, (0028,1052) Rescale Intercept."""
    return stored * slope + intercept


def look_up(values: Array, table: Array, first: int) -> Array:
    """A modality or VOI LUT, PS3.3 C.11.1.1 and C.11.2.1.1: ``table[0]`` is for ``first`` and below."""
    index = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)
    mapped: Array = table[index]
    return mapped


def window(values: Array, center: float, width: float, function: str = "LINEAR") -> Array:
    """Window to [0, 1], PS3.3 C.11.2.1.2 and C.11.2.1.3.

    Args:
        values: any shape, in the units of the modality rescale.
        center: (0028,1050) Window Center, same units.
        width: (0028,1051) Window Width, same units.
        function: (0028,1056) VOI LUT Function: LINEAR, LINEAR_EXACT or SIGMOID.
    """
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise PixelError("(0028,1056) VOI LUT Function must be LINEAR, LINEAR_EXACT or SIGMOID")
    least = "at least 1" if function == "LINEAR" else "above 0"
    if width <= 0 or (function == "LINEAR" and width < 1):
        raise PixelError(f"(0028,1051) Window Width must be {least} for a {function} window")
    if function == "SIGMOID":
        return 0.5 + 0.5 * np.tanh(2 * (values - center) / width)  # = 1 / (1 + exp(-4 (x - c) / w)), no overflow
    if function == "LINEAR":
        center, width = center - 0.5, width - 1
    if width == 0:
        return (values > center).astype(np.float64)
    return np.clip((values - center) / width + 0.5, 0.0, 1.0)


def to_range(values: Array, low: float, high: float) -> Array:
    """``low`` to 0 and ``high`` to 1; what lies outside is clipped."""
    return np.clip((values - low) / (high - low), 0.0, 1.0)


def invert(unit: Array) -> Array:
    """MONOCHROME1, PS3.3 C.7.6.3.1.2: the lowest value is shown white."""
    return 1.0 - unit


def lut(item: Dataset) -> tuple[Array, int, float]:
    """One item of a LUT sequence, PS3.3 C.11.1.1: its table, first value mapped, and greatest output value.

    Reads (0028,3002) LUT Descriptor and (0028,3006) LUT Data.
    """
    count, first, depth = (int(value) for value in item.LUTDescriptor)
    count = count & 0xFFFF or 2**16  # 0 stands for 2^16; read as signed, more than 2^15 - 1 looks negative
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, dtype="<u2" if len(data) >= 2 * count else "u1")
    table = np.atleast_1d(np.asarray(data, dtype=np.float64))[:count]
    if len(table) < count:
        raise PixelError("(0028,3006) LUT Data is shorter than (0028,3002) LUT Descriptor says")
    return table, first, 2.0**depth - 1


def _voi(dataset: Dataset, values: Array, low: float, high: float) -> Array:
    """The first VOI LUT, else the first window, else the whole range (PS3.3 C.11.2.1)."""
    if dataset.get("VOILUTSequence"):
        table, first, top = lut(dataset.VOILUTSequence[0])
        return to_range(look_up(values, table, first), 0.0, top)
    if dataset.get("WindowCenter") is None or dataset.get("WindowWidth") is None:
        return to_range(values, low, high)
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    return window(values, _number(dataset, "WindowCenter"), _number(dataset, "WindowWidth"), function)


def _number(dataset: Dataset, keyword: str, default: float = 0.0) -> float:
    """The first value of a decimal string; ``default`` if absent or empty."""
    value = dataset.get(keyword)
    if value is None:
        return default
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
