"""Image to model input: sizes, channels and normalisation, by hand and against Pillow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fedgraft.client.images.transforms import fingerprint, normalise, resize
from fedgraft.common.interfaces.inputs import ImageSpec

PLAIN = ImageSpec(channels=3, size=4, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), interpolation="bicubic")
IMAGENET = replace(PLAIN, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
GREY = ImageSpec(channels=1, size=4, mean=(0.5,), std=(0.25,), interpolation="bilinear")


def to_input(image: NDArray[np.float32], spec: ImageSpec) -> Tensor:
    """``(channels, size, size)``: as a case goes through the ingest and into a batch."""
    return normalise(resize(image, spec), spec).expand(spec.channels, -1, -1)


def noise(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(shape, dtype=np.float32)


@pytest.mark.parametrize("shape", [(4, 4), (9, 9), (3, 7), (50, 20), (2, 2), (4, 4, 3), (9, 5, 3)])
@pytest.mark.parametrize("spec", [IMAGENET, GREY])
def test_the_shape_is_the_backbone_s(shape: tuple[int, ...], spec: ImageSpec) -> None:
    given = to_input(noise(*shape), spec)
    assert given.shape == (spec.channels, 4, 4)
    assert given.dtype == torch.float32


def test_a_grey_image_is_repeated() -> None:
    image = noise(4, 4)
    given = to_input(image, PLAIN)
    for plane in given:
        torch.testing.assert_close(plane, torch.from_numpy(image), atol=1e-6, rtol=0)


def test_normalisation_by_hand() -> None:
    given = to_input(np.full((4, 4), 0.5, np.float32), IMAGENET)
    expected = [(0.5 - 0.485) / 0.229, (0.5 - 0.456) / 0.224, (0.5 - 0.406) / 0.225]
    for plane, value in zip(given, expected, strict=True):
        torch.testing.assert_close(plane, torch.full((4, 4), value))


def test_planes_keep_their_places() -> None:
    image = np.zeros((4, 4, 3), np.float32)
    image[..., 0], image[..., 2] = 1.0, 0.25
    given = to_input(image, PLAIN)
    assert [float(plane.mean()) for plane in given] == pytest.approx([1.0, 0.0, 0.25])


def test_rows_and_columns_keep_their_places() -> None:
    image = noise(4, 4, 3)
    torch.testing.assert_close(to_input(image, PLAIN), torch.from_numpy(image).permute(2, 0, 1), atol=1e-6, rtol=0)


def test_colour_becomes_luma_for_one_channel() -> None:
    image = np.broadcast_to(np.array([1.0, 0.5, 0.25], np.float32), (4, 4, 3))
    # 0.299 * 1 + 0.587 * 0.5 + 0.114 * 0.25 = 0.621; normalised with 0.5 and 0.25
    torch.testing.assert_close(to_input(image, GREY), torch.full((1, 4, 4), (0.621 - 0.5) / 0.25))


@pytest.mark.parametrize(
    ("interpolation", "method"), [("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)]
)
@pytest.mark.parametrize(("height", "width"), [(64, 64), (57, 91), (20, 20)])
def test_resizing_equals_pillow_s(interpolation: str, method: Image.Resampling, height: int, width: int) -> None:
    image = noise(height, width)
    given = to_input(image, replace(PLAIN, size=32, interpolation=interpolation))[0]
    expected = np.asarray(Image.fromarray(image).resize((32, 32), method)).clip(0, 1)
    np.testing.assert_allclose(given.numpy(), expected, atol=1e-6)


def test_resizing_does_not_leave_the_range() -> None:
    image = (noise(9, 9) > 0.5).astype(np.float32)
    given = to_input(image, replace(PLAIN, size=64))
    assert (float(given.min()), float(given.max())) == (0.0, 1.0)


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear", "lanczos", "nearest"])
def test_a_constant_image_stays_constant(interpolation: str) -> None:
    given = to_input(np.full((7, 11), 0.3, np.float32), replace(PLAIN, size=5, interpolation=interpolation))
    torch.testing.assert_close(given, torch.full((3, 5, 5), 0.3))


def test_the_image_is_not_changed() -> None:
    image = noise(9, 9)
    before = image.copy()
    to_input(image, IMAGENET).clone().add_(1)
    assert np.array_equal(image, before)


@pytest.mark.parametrize("image", [noise(8, 8)[::2, ::-1], noise(8, 8).T, noise(8, 8).astype(">f4")])
def test_any_memory_layout_gives_the_same(image: NDArray[np.float32]) -> None:
    plain = np.ascontiguousarray(image, np.float32)
    assert torch.equal(to_input(image, IMAGENET), to_input(plain, IMAGENET))


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 1},
        {"size": 5},
        {"mean": (0.0, 0.0, 0.1)},
        {"std": (1.0, 1.0, 1.1)},
        {"interpolation": "bilinear"},
    ],
)
def test_the_fingerprint_changes_with_everything_that_matters(change: dict[str, Any]) -> None:
    assert fingerprint(replace(PLAIN, **change)) != fingerprint(PLAIN)


def test_the_fingerprint_is_stable() -> None:
    assert fingerprint(PLAIN) == fingerprint(replace(PLAIN))
    assert len(fingerprint(PLAIN)) == 64
