"""The format in which an image's pixels are kept: encoding, decoding, and size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.inputs import ImageSpec

DTYPE = "uint16"
MOST = 65535  # a step is 1.5e-5 of the range, finer than in 12-bit files


def encode(image: Tensor) -> NDArray[np.uint16]:
    """Encode ``(planes, S, S)`` float32 in [0, 1] as uint16 for keeping."""
    return np.rint(image.numpy() * np.float32(MOST)).astype(np.uint16)


def decode(kept: NDArray[np.uint16]) -> Tensor:
    """Decode kept pixels to ``(planes, S, S)`` float32 in [0, 1]."""
    return torch.from_numpy(kept.astype(np.float32) / np.float32(MOST))


def kept_planes(planes: int, spec: ImageSpec) -> int:
    """The planes that are kept of an image with 1 or 3 planes: one if the network has one channel."""
    return min(planes, spec.channels)


def kept_shape(planes: int, spec: ImageSpec) -> tuple[int, int, int]:
    """The shape of an image's kept pixels, at the network's size; ``planes`` as `kept_planes` gives it."""
    return planes, spec.size, spec.size


def kept_bytes(planes: int, spec: ImageSpec) -> int:
    """The bytes that are kept of an image with 1 or 3 planes."""
    return int(np.prod(kept_shape(kept_planes(planes, spec), spec))) * np.dtype(DTYPE).itemsize
