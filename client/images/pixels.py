"""The pixels that are kept of an image: how they are written, read, and how much room they take."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.inputs import ImageSpec

DTYPE = "uint16"
MOST = 65535  # a step is 1.5e-5 of the range, less than 12-bit files have


def encode(image: Tensor) -> NDArray[np.uint16]:
    """``(planes, S, S)`` float32 in [0, 1] as it is kept."""
    return np.rint(image.numpy() * np.float32(MOST)).astype(np.uint16)


def decode(kept: NDArray[np.uint16]) -> Tensor:
    """What was kept, as ``(planes, S, S)`` float32 in [0, 1]."""
    return torch.from_numpy(kept.astype(np.float32) / np.float32(MOST))


def kept_planes(planes: int, spec: ImageSpec) -> int:
    """Of an image with 1 or 3 planes: a network of one channel sees colour as grey."""
    return min(planes, spec.channels)


def kept_shape(planes: int, spec: ImageSpec) -> tuple[int, int, int]:
    """Of an image, at the network's size; ``planes`` as `kept_planes` says."""
    return planes, spec.size, spec.size


def kept_bytes(planes: int, spec: ImageSpec) -> int:
    """What an image with 1 or 3 planes takes."""
    return int(np.prod(kept_shape(kept_planes(planes, spec), spec))) * np.dtype(DTYPE).itemsize
