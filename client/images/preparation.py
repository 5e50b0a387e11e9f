"""The preparation of images as a module of torch, for images of any size: resizing, rounding, normalising.

Resizing with antialiasing is a product with one matrix for the rows and one for the columns, whose numbers follow from
the image's size alone. As matrices it is the same everywhere, whatever a program's own resizing does (torch and Pillow
take -0.5 for the parameter of the antialiased cubic kernel, others -0.75).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from fedgraft.client.cohort.preparation import Preparation
from fedgraft.client.images.pixels import MOST, decode, encode
from fedgraft.client.images.transforms import normalise, resize
from fedgraft.common.harmonisation.reference import Harmony
from fedgraft.common.interfaces.inputs import ImageSpec

_CUBIC = -0.5


class Prepared(nn.Module):
    """Images ``(B, C, H, W)`` float32 in [0, 1], 1 = white -> ``(B, C, S, S)`` float32, as a site prepares them.

    Args:
        resizes: whether H and W may be anything; else both are S already.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, spec: ImageSpec, resizes: bool) -> None:
        super().__init__()
        self.size, self.resizes = spec.size, resizes
        self.kernel = linear if spec.interpolation == "bilinear" else cubic
        self.register_buffer("mean", torch.tensor(spec.mean)[:, None, None])
        self.register_buffer("std", torch.tensor(spec.std)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        if self.resizes:
            rows = resizing(images.shape[2], self.size, self.kernel)
            columns = resizing(images.shape[3], self.size, self.kernel)
            images = (rows @ images @ columns.T).clamp(0, 1)
        kept = (images * MOST).round() / MOST  # a site keeps pixels in 16 bits
        return (kept - self.mean) / self.std


def linear(x: Tensor) -> Tensor:
    """The triangle kernel."""
    return (1 - x.abs()).clamp(min=0)


def cubic(x: Tensor) -> Tensor:
    """The cubic convolution kernel (Keys, IEEE Trans. ASSP 1981)."""
    x = x.abs()
    near = ((_CUBIC + 2) * x - (_CUBIC + 3)) * x * x + 1
    far = ((x - 5) * x + 8) * x * _CUBIC - 4 * _CUBIC
    return torch.where(x < 1, near, torch.where(x < 2, far, torch.zeros_like(x)))


def resizing(length: int, size: int, kernel: Callable[[Tensor], Tensor]) -> Tensor:
    """The matrix ``(size, length)`` float32 that resizes a line of ``length`` pixels, with antialiasing: the kernel is
    as wide as a new pixel, or as an old one where those are larger."""
    ratio = torch.scalar_tensor(length, dtype=torch.float32) / size
    centres = ratio * (torch.arange(size, dtype=torch.float32) + 0.5)
    places = torch.arange(length, dtype=torch.float32)
    weights = kernel((places - centres[:, None] + 0.5) / ratio.clamp(min=1))
    return weights / weights.sum(dim=1, keepdim=True)


def preparation_of(spec: ImageSpec, harmony: Harmony | None) -> Preparation:
    """The preparation of images.

    Args:
        harmony: of the plan; it is no part of the module, whose images are then of the network's size and harmonised.
    """
    resizes, size = harmony is None, spec.size
    said = {
        "what": f"float32 in [0, 1], 1 = white, {_planes(spec.channels)}",
        "resize": f"inside: any height and width, resized to {size} x {size} with antialiasing"
        if resizes
        else f"outside: the images must be {size} x {size} and harmonised already (`harmonise` of the plan)",
    }

    def samples(generator: Generator) -> Sequence[Tensor]:
        sides = [(size, size), (2 * size + 3, size + 5), (size // 2 + 1, size)] if resizes else [(size, size)] * 2
        return [
            torch.rand(2 - place % 2, spec.channels, *side, generator=generator) for place, side in enumerate(sides)
        ]

    def ours(images: Tensor) -> Tensor:
        planes = [image[0] if len(image) == 1 else image.permute(1, 2, 0) for image in images]
        kept = [encode(resize(np.asarray(image), spec)) for image in planes]
        return torch.stack([normalise(decode(one), spec) for one in kept])

    sizes = {2: "height", 3: "width"} if resizes else {}
    return Preparation("images", Prepared(spec, resizes), ours, samples, sizes, said)


def _planes(channels: int) -> str:
    if channels == 1:
        return "one plane; colours as 0.299 red + 0.587 green + 0.114 blue"
    return f"{channels} planes; a grey image fills all with the same values"
