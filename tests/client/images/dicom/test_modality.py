"""Modality rescale, PS3.3 C.11.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from fedgraft.client.images.dicom.modality import Modality, rescale, stored_range

Show = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize(
    ("bits", "signed", "expected"),
    [(8, False, (0, 255)), (12, False, (0, 4095)), (12, True, (-2048, 2047)), (16, True, (-32768, 32767))],
)
def test_stored_range(bits: int, signed: bool, expected: tuple[float, float]) -> None:
    assert stored_range(bits, signed=signed) == expected


def test_rescale_by_hand() -> None:
    assert_array_equal(rescale(np.array([0.0, 1.0, 2.0]), 2.0, -10.0), [-10.0, -8.0, -6.0])


def test_the_range_of_a_line() -> None:
    assert Modality(2, -10).range(0, 255) == (-10, 500)
    assert Modality(-2, 10).range(0, 255) == (-500, 10)


def test_without_a_window_the_range_is_what_bits_stored_can_hold(show: Show) -> None:
    found = show(np.array([[0, 1023], [2047, 4095]], "<u2"), 12)
    assert_allclose(found, np.array([[0, 1023], [2047, 4095]]) / 4095, atol=1e-7)
    found = show(np.array([[-2048, 0, 2047]], "<i2"), 12, RescaleSlope=4, RescaleIntercept=50)
    assert_allclose(found, [[0, 2048 / 4095, 1]], atol=1e-7)


def test_a_negative_slope_turns_the_picture_over(show: Show) -> None:
    assert_array_equal(show(np.array([[0, 255]], "u1"), RescaleSlope=-2, RescaleIntercept=10), [[1, 0]])


ONE = "inconsistent: only one of (0028,1053) Rescale Slope and (0028,1052) Rescale Intercept"


@pytest.mark.parametrize(
    ("elements", "text"),
    [
        ({"RescaleSlope": 0, "RescaleIntercept": 0}, "inconsistent: (0028,1053) Rescale Slope is 0"),
        ({"RescaleSlope": 2}, ONE),
        ({"RescaleIntercept": 2}, ONE),
        ({"RescaleSlope": "1e99", "RescaleIntercept": 0}, "damaged: (0028,1053) Rescale Slope is not a finite number"),
    ],
)
def test_rescales_that_are_refused(refused: Callable[..., str], elements: dict[str, Any], text: str) -> None:
    assert refused(np.array([[0, 255]], "u1"), **elements) == text
