"""What is kept of pixels: within half a step of what was there, and as large as it says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fedgraft.client.images.pixels import DTYPE, MOST, decode, encode, kept_bytes, kept_planes, kept_shape
from fedgraft.common.interfaces.inputs import ImageSpec

COLOUR = ImageSpec(3, 4, (0.5,) * 3, (0.5,) * 3, "bicubic")
GREY = ImageSpec(1, 4, (0.5,), (0.5,), "bicubic")


def test_black_white_and_the_middle() -> None:
    kept = encode(torch.tensor([[[0.0, 1.0, 0.5]]]))
    assert kept.dtype == np.dtype(DTYPE)
    assert kept.tolist() == [[[0, 65535, 32768]]]  # 32767.5 to the even number


def test_a_pixel_comes_back_within_half_a_step() -> None:
    image = torch.rand(3, 9, 9, generator=torch.Generator().manual_seed(0))
    assert float((decode(encode(image)) - image).abs().max()) <= 0.5 / MOST + 1e-7
    assert decode(encode(image)).dtype == torch.float32


def test_what_was_kept_is_kept_again_as_it_is() -> None:
    kept = np.random.default_rng(0).integers(MOST + 1, size=(1, 8, 8), dtype=np.uint16)
    assert np.array_equal(encode(decode(kept)), kept)


@pytest.mark.parametrize(("planes", "spec", "kept"), [(1, COLOUR, 1), (3, COLOUR, 3), (1, GREY, 1), (3, GREY, 1)])
def test_a_network_of_one_channel_keeps_one_plane(planes: int, spec: ImageSpec, kept: int) -> None:
    assert kept_planes(planes, spec) == kept
    assert kept_shape(kept, spec) == (kept, 4, 4)
    assert kept_bytes(planes, spec) == kept * 4 * 4 * 2
