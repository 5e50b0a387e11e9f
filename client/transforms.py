"""Image -> model input: resize, channels, normalisation, all as the backbone declares them."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fedgraft.common.backbone import InputSpec

_MODES = {"bicubic": "bicubic", "bilinear": "bilinear"}


def to_input(image: NDArray[np.float32], spec: InputSpec) -> Tensor:
    """One case as the backbone wants it.

    Args:
        image: ``(H, W)`` or ``(H, W, 3)`` float32 in [0, 1].
        spec: the backbone's input.

    Returns:
        ``(channels, size, size)`` float32, normalised. A grey image is repeated for three channels; a colour image
        becomes luma (ITU-R BT.601) for one.
    """
    pixels = torch.from_numpy(np.ascontiguousarray(image, np.float32))
    planes = pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)
    if planes.shape[0] == 3 and spec.channels == 1:
        planes = torch.tensordot(torch.tensor([[0.299, 0.587, 0.114]]), planes, dims=1)
    mode = _MODES.get(spec.interpolation, "bicubic")
    resized = functional.interpolate(
        planes[None], (spec.size, spec.size), mode=mode, antialias=True, align_corners=False
    )[0].clamp(0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    normalised: Tensor = (resized - mean) / std
    return normalised.expand(spec.channels, -1, -1)


def fingerprint(spec: InputSpec) -> str:
    """Changes whenever `to_input` would give other numbers for the same image."""
    return hashlib.sha256(f"resize-1|{spec}".encode()).hexdigest()
