"""RGB and YBR_* pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedgraft.client.images.dicom.colour import ybr_to_rgb

Show = Callable[..., NDArray[np.float32]]
STORED = np.array([[[255, 0, 0], [0, 51, 255]]], "u1")


def test_ybr_to_rgb_by_hand() -> None:
    """(76, 85, 255) is how JFIF writes pure red; no colour difference is grey."""
    ybr = np.array([[76, 85, 255], [51, 128, 128]], np.float32) / 255
    assert_allclose(ybr_to_rgb(ybr, 128 / 255), [[1, 0, 0], [0.2, 0.2, 0.2]], atol=0.004)


def test_rgb(show: Show) -> None:
    assert_allclose(show(STORED), STORED / 255, atol=1e-7)
    wide = np.array([[[65535, 0, 13107]]], "<u2")
    assert_allclose(show(wide), [[[1, 0, 0.2]]], atol=1e-7)


def test_colour_by_plane(make: Callable[..., Dataset], show: Show) -> None:
    dataset = make(STORED, PlanarConfiguration=1)
    dataset.PixelData = bytes([255, 0, 0, 51, 0, 255])  # both reds, both greens, both blues
    assert_allclose(show(dataset), STORED / 255, atol=1e-7)


def test_ybr_full(show: Show) -> None:
    found = show(np.array([[[76, 85, 255], [51, 128, 128]]], "u1"), PhotometricInterpretation="YBR_FULL")
    assert_allclose(found, [[[1, 0, 0], [0.2, 0.2, 0.2]]], atol=0.004)


def test_ybr_full_422_shares_colour_between_two_pixels(make: Callable[..., Dataset], show: Show) -> None:
    dataset = make(np.zeros((1, 2, 3), "u1"), PhotometricInterpretation="YBR_FULL_422")
    dataset.PixelData = bytes([255, 0, 128, 128])
    assert_array_equal(show(dataset).round(6), [[[1, 1, 1], [0, 0, 0]]])


def test_colour_that_is_refused(refused: Callable[..., str]) -> None:
    assert refused(STORED, plan={"window": "lung"}) == (
        "no-unit: a window is for grey values (PS3.3 C.11.2), and the image has colour"
    )
    assert refused(STORED, PhotometricInterpretation="YBR_RCT") == (
        "inconsistent: YBR_ICT and YBR_RCT are for JPEG 2000 alone (PS3.3 C.7.6.3.1.2)"
    )
    even = "inconsistent: YBR_FULL_422 needs an even number of columns, 8 bits, and colour by pixel"
    assert refused(np.zeros((2, 3, 3), "u1"), PhotometricInterpretation="YBR_FULL_422") == even
    assert refused(STORED.astype("i1")) == "inconsistent: (0028,0103) Pixel Representation says that colour is signed"
