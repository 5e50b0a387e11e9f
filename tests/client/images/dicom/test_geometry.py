"""Square pixels, and where a slice lies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.geometry import along_normal, aspect_of, square
from fedgraft.client.images.dicom.header import Header
from fedgraft.client.images.dicom.values import frame_elements
from fedgraft.client.site.limits import Limits

STORED = np.array([[0, 1, 2]], "u1")


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, 1.0),
        ({"PixelSpacing": [2, 1]}, 2.0),
        ({"PixelSpacing": [0.5, 1]}, 0.5),
        ({"PixelSpacing": [0, 0], "PixelAspectRatio": [3, 4]}, 0.75),
        ({"PixelSpacing": [1, 1], "ImagerPixelSpacing": [2, 1]}, 1.0),
        ({"ImagerPixelSpacing": [2, 1], "PixelAspectRatio": [3, 4]}, 2.0),
        ({"NominalScannedPixelSpacing": [3, 1]}, 3.0),
    ],
)
def test_the_first_spacing_that_is_stated(
    make: Callable[..., Dataset], header: Callable[..., Header], elements: dict[str, Any], expected: float
) -> None:
    assert aspect_of(frame_elements(header(make(STORED, **elements)).elements, 0)) == expected


def test_an_impossible_aspect(refused: Callable[..., str]) -> None:
    assert refused(STORED, PixelSpacing=[17, 1]) == (
        "inconsistent: pixels are more than 16 times as long as they are wide"
    )


def test_square_by_hand() -> None:
    """Twice as tall as wide: rows are doubled. Linear between centres of rows, which lie at 0.5 and 2.5 of 4."""
    pixels = np.array([[0], [1]], np.float32)
    assert_allclose(square(pixels, 2.0, Limits()), [[0], [0.25], [0.75], [1]], atol=1e-6)
    assert_allclose(square(pixels.T, 0.5, Limits()), [[0, 0.25, 0.75, 1]], atol=1e-6)
    colour = np.stack([pixels, pixels, pixels], axis=-1)
    assert square(colour, 2.0, Limits()).shape == (4, 1, 3)
    assert square(pixels, 1.2, Limits()) is pixels  # not half a pixel


def test_square_keeps_to_the_limit() -> None:
    square(np.zeros((10, 10), np.float32), 2.0, Limits(pixels=200))
    with pytest.raises(CaseError, match=r"^too-large: with square pixels the image has more than 199$"):
        square(np.zeros((10, 10), np.float32), 2.0, Limits(pixels=199))


def test_a_file_is_shown_with_square_pixels(show: Callable[..., NDArray[np.float32]]) -> None:
    stored = np.array([[0, 255]], "u1")
    assert_array_equal(show(stored, PixelSpacing=[2, 1]), [[0, 1], [0, 1]])


def test_along_the_normal() -> None:
    """Axial: rows run along x, columns along y, so z counts; coronal: columns run along -z, so y does."""
    assert along_normal((7, 8, 9), (1, 0, 0, 0, 1, 0)) == 9
    assert along_normal((7, 8, 9), (1, 0, 0, 0, 0, -1)) == 8
    assert along_normal((7, 8), (1, 0, 0, 0, 1, 0)) is None
    assert along_normal((7, 8, 9), ()) is None
    assert along_normal((7, 8, 9), (1, 0, 0, 1, 0, 0)) is None  # no plane
