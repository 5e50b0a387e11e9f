"""Resizing by sparse matrices: against torch's own antialiased resizing, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from fedgraft.client.images.resampling import matrix, resampled

SIZES = [((1024, 1024), 224), ((64, 300), 224), ((17, 5), 32), ((33, 32), 32), ((1, 1), 8), ((500, 3), 16)]


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize("colours", [(), (3,)])
@pytest.mark.parametrize(("sides", "size"), SIZES)
def test_it_gives_torch_s_numbers(sides: tuple[int, int], size: int, colours: tuple[int, ...], mode: str) -> None:
    image = np.random.default_rng(0).random((*sides, *colours), np.float32)
    planes = torch.from_numpy(image.reshape(*sides, -1)).permute(2, 0, 1)[None]
    expected = functional.interpolate(planes, (size, size), mode=mode, antialias=True, align_corners=False)
    found = resampled(image, size, mode).reshape(size, size, -1)
    np.testing.assert_allclose(found, expected[0].permute(1, 2, 0).numpy(), atol=2e-6)


def test_weights_by_hand() -> None:
    """Halving four pixels: a new pixel lies at 1, its triangle is two old ones wide to each side, and the old ones at
    0.5, 1.5 and 2.5 weigh 3/4, 3/4 and 1/4, of 7/4 in all."""
    weights = matrix(4, 2, "bilinear").toarray()
    np.testing.assert_allclose(weights, np.array([[3, 3, 1, 0], [0, 1, 3, 3]]) / 7, atol=1e-7)


def test_every_line_weighs_one_in_all() -> None:
    for length, size in ((1000, 224), (7, 224), (224, 223)):
        np.testing.assert_allclose(matrix(length, size, "bicubic").sum(axis=1), np.ones(size), atol=1e-6)


def test_an_image_of_the_size_is_returned_as_it_is() -> None:
    image = np.random.default_rng(0).random((32, 32), np.float32)
    assert resampled(image, 32, "bicubic") is image
