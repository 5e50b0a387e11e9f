"""Transform an image to a network's input: resizing, channels and normalisation, as the backbone declares them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.images.resampling import KERNELS, resampled
from fedgraft.common.interfaces.inputs import ImageSpec

RESIZING = "resize-2"
"""Names how pixels are resized, in the keys of all that is kept: rows of earlier resizing are not mixed with these."""


def resize(image: NDArray[np.float32], spec: ImageSpec) -> Tensor:
    """Resize ``(H, W)`` or ``(H, W, 3)`` float32 in [0, 1] to ``(planes, size, size)``, still in [0, 1].

    A grey image has one plane. A colour image has three; if the backbone has one channel, it becomes luma (ITU-R
    BT.601).
    """
    pixels = np.ascontiguousarray(image, np.float32)
    if pixels.ndim == 3 and spec.channels == 1:
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        pixels = torch.tensordot(torch.tensor([[0.299, 0.587, 0.114]]), planes, dims=1)[0].numpy()
    mode = spec.interpolation if spec.interpolation in KERNELS else "bicubic"
    resized = torch.from_numpy(resampled(pixels, spec.size, mode))
    return (resized[None] if resized.ndim == 2 else resized.permute(2, 0, 1)).clamp(0, 1)


def normalise(images: Tensor, spec: ImageSpec) -> Tensor:
    """Normalise ``(..., planes, S, S)`` float32 in [0, 1] to ``(..., channels, S, S)`` by the backbone's mean and std.

    A single plane is repeated for three channels.
    """
    mean, std = (torch.tensor(values)[:, None, None].to(images.device) for values in (spec.mean, spec.std))
    return (images - mean) / std


def fingerprint(spec: ImageSpec) -> str:
    """Text that changes whenever `resize` and `normalise` would give other numbers for the same image."""
    return hashlib.sha256(f"{RESIZING}|{spec}".encode()).hexdigest()
