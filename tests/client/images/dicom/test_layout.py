"""What a file says about its pixels, against itself and the site's limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray
from pydicom.dataset import Dataset

Show = Callable[..., NDArray[np.float32]]
Refused = Callable[..., str]
STORED = np.arange(6, dtype="u1").reshape(2, 3)
BITS = "(0028,0101) Bits Stored or (0028,0102) High Bit is beyond Bits Allocated"
SAMPLES = "(0028,0002) Samples Per Pixel contradicts (0028,0004) Photometric Interpretation"
PHOTOMETRIC = (
    "(0028,0004) Photometric Interpretation must be one of MONOCHROME1, MONOCHROME2, PALETTE COLOR, RGB, YBR_FULL, "
    "YBR_FULL_422, YBR_ICT, YBR_RCT"
)


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        ({"Rows": None}, "inconsistent: (0028,0010) Rows is not there"),
        ({"Columns": 0}, "inconsistent: (0028,0010) Rows or (0028,0011) Columns is 0"),
        ({"BitsAllocated": 24}, "unsupported: (0028,0100) Bits Allocated must be 1, 8, 16 or 32"),
        ({"BitsStored": 9, "HighBit": 8}, f"inconsistent: {BITS}"),
        ({"BitsStored": 0, "HighBit": None}, f"inconsistent: {BITS}"),
        ({"HighBit": 3}, f"inconsistent: {BITS}"),
        ({"PixelRepresentation": 2}, "inconsistent: (0028,0103) Pixel Representation must be 0 or 1"),
        ({"PhotometricInterpretation": "SECRET"}, f"unsupported: {PHOTOMETRIC}"),
        ({"PhotometricInterpretation": None}, f"unsupported: {PHOTOMETRIC}"),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0}, f"inconsistent: {SAMPLES}"),
        ({"NumberOfFrames": 0}, "inconsistent: (0028,0008) Number Of Frames is below 1"),
        ({"NumberOfFrames": "1.5"}, "damaged: (0028,0008) Number Of Frames is not a whole number"),
        ({"PixelData": None}, "no-pixels: the DICOM file holds no image"),
    ],
)
def test_layouts_that_are_refused(refused: Refused, elements: dict[str, Any], text: str) -> None:
    assert refused(STORED, **elements) == text


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ({"pixels": 5}, "too-large: a frame has more than 5 pixels"),
        ({"frames": 1}, "too-large: the file has more than 1 frames"),
        ({"decoded_bytes": 5}, "too-large: a frame decodes to more than 5 bytes"),
        ({"header_bytes": 100}, "too-large: the header has more than 100 bytes"),
    ],
)
def test_limits(show: Show, refused: Refused, limits: dict[str, int], text: str) -> None:
    two = np.concatenate((STORED, STORED))
    assert refused(two, limits=limits, Rows=2, NumberOfFrames=2) == text
    enough = {"pixels": 6, "frames": 2, "decoded_bytes": 6, "header_bytes": 1000}
    assert show(two, limits=enough, Rows=2, NumberOfFrames=2).shape == (2, 3)


def test_limits_hold_before_a_byte_of_pixels_is_read(refused: Refused) -> None:
    """65,535 x 65,535 pixels of which there are six."""
    text = "too-large: a frame has more than 64000000 pixels"
    assert refused(STORED, Rows=65535, Columns=65535) == text


def test_float_pixels(make: Callable[..., Dataset], show: Show, refused: Refused) -> None:
    dataset = make(STORED[:1], BitsAllocated=32, BitsStored=None, HighBit=None, PixelRepresentation=None)
    del dataset.PixelData
    dataset.FloatPixelData = np.array([-1, 0, 3], "<f4").tobytes()
    assert_allclose(show(dataset), [[0, 0.25, 1]], atol=1e-7)
    dataset.FloatPixelData = np.array([-1, np.nan, 3], "<f4").tobytes()
    assert refused(dataset) == "inconsistent: a float pixel is not a finite number"
    dataset.BitsAllocated = 64
    assert refused(dataset) == "inconsistent: (0028,0100) Bits Allocated contradicts the kind of pixel data"
    dataset.BitsAllocated, dataset.PhotometricInterpretation = 32, "PALETTE COLOR"
    assert refused(dataset) == "unsupported: float pixels are only read if they are grey"
