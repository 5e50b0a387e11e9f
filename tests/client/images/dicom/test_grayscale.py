"""Grey pixels: unused bits, signs, MONOCHROME1, presentation LUT shape and padding."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from fedgraft.client.images.dicom.grayscale import invert

Show = Callable[..., NDArray[np.float32]]
EXACT: dict[str, Any] = {"WindowCenter": 50, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"}


def test_invert_by_hand() -> None:
    assert_array_equal(invert(np.array([0.0, 0.25, 1.0])), [1.0, 0.75, 0.0])


@pytest.mark.parametrize("repeat", [1, 2500])
def test_overlays_in_unused_high_bits_are_ignored(show: Show, repeat: int) -> None:
    """Few pixels are computed, many looked up."""
    stored = np.repeat(np.array([[0xF000, 0x8FFF, 0x1000]], "<u2"), repeat, axis=0)
    assert_array_equal(show(stored, 12), [[0, 1, 0]] * repeat)


def test_unused_low_bits_are_ignored(show: Show) -> None:
    """High Bit 15 of 12 stored bits: they lie above four others."""
    assert_array_equal(show(np.array([[0x000F, 0xFFF3]], "<u2"), 12, HighBit=15), [[0, 1]])


@pytest.mark.parametrize("repeat", [1, 2500])
def test_a_sign_in_bits_stored(show: Show, repeat: int) -> None:
    """0x0800 is -2048 in 12 bits, and 0x07FF 2047; the higher bits are no part of it."""
    stored = np.repeat(np.array([[0x0800, 0x07FF, 0xF800]], "<u2").view("<i2"), repeat, axis=0)
    assert_array_equal(show(stored, 12), [[0, 1, 0]] * repeat)


def test_32_bits(show: Show) -> None:
    stored = np.array([[0, 2**31, 2**32 - 1]], "<u4")
    assert_allclose(show(stored), [[0, 0.5, 1]], atol=1e-7)


def test_monochrome1_and_the_shape_inverse_are_the_negative(show: Show) -> None:
    stored = np.array([[0, 25, 100]], "u1")
    assert_array_equal(show(stored, **EXACT), [[0, 0.25, 1]])
    assert_array_equal(show(stored, PresentationLUTShape="IDENTITY", **EXACT), [[0, 0.25, 1]])
    assert_array_equal(show(stored, PhotometricInterpretation="MONOCHROME1", **EXACT), [[1, 0.75, 0]])
    assert_array_equal(show(stored, PresentationLUTShape="INVERSE", **EXACT), [[1, 0.75, 0]])
    both = {"PresentationLUTShape": "INVERSE", "PhotometricInterpretation": "MONOCHROME1"}
    assert_array_equal(show(stored, **both, **EXACT), [[1, 0.75, 0]])


def test_shapes_that_are_refused(refused: Callable[..., str]) -> None:
    stored = np.array([[0, 25]], "u1")
    assert refused(stored, PresentationLUTShape="SECRET") == (
        "inconsistent: (2050,0020) Presentation LUT Shape must be IDENTITY or INVERSE"
    )
    assert refused(stored, PresentationLUTShape="IDENTITY", PhotometricInterpretation="MONOCHROME1") == (
        "inconsistent: MONOCHROME1 contradicts (2050,0020) Presentation LUT Shape IDENTITY"
    )


def test_padding_is_black(show: Show) -> None:
    stored = np.array([[-2000, -1000, 0, 1000]], "<i2")
    window = {"WindowCenter": 0, "WindowWidth": 4000, "VOILUTFunction": "LINEAR_EXACT"}
    assert_array_equal(show(stored, **window), [[0, 0.25, 0.5, 0.75]])
    assert_array_equal(show(stored, PixelPaddingValue=-1000, **window), [[0, 0, 0.5, 0.75]])
    negative = show(stored, PixelPaddingValue=1000, PhotometricInterpretation="MONOCHROME1", **window)
    assert_array_equal(negative, [[1, 0.75, 0.5, 0]])


def test_a_range_of_padding_either_way_round(show: Show) -> None:
    stored = np.array([[10, 20, 30, 51]], "u1")
    for value, limit in ((10, 20), (20, 10)):
        found = show(stored, PixelPaddingValue=value, PixelPaddingRangeLimit=limit)
        assert_allclose(found, [[0, 0, 30 / 255, 0.2]], atol=1e-7)


def test_padding_with_the_other_sign(make: Callable[..., Dataset], show: Show) -> None:
    """63536 is what -2000 looks like in a file that writes US where SS is due."""
    dataset = make(np.array([[-2000, 0]], "<i2"))
    assert show(dataset)[0, 0] > 0.4
    dataset.add(DataElement("PixelPaddingValue", "US", 63536))
    assert show(dataset)[0, 0] == 0


def test_padding_that_needs_more_than_bits_stored(show: Show) -> None:
    """-32768 in 16 bits stands beside image values of 12 bits."""
    stored = np.array([[-32768, 0, 2047]], "<i2")
    assert_allclose(show(stored, 12, PixelPaddingValue=-32768), [[0, 2048 / 4095, 1]], atol=1e-7)
