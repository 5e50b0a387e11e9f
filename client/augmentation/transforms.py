"""How a view differs from its case, and the pixel functions that make it so: array and numbers in, array out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_DEVIATIONS = 3  # of a Gaussian, that a blur's kernel reaches to either side


@dataclass(frozen=True)
class Erased:
    """A rectangle that is painted over.

    ``area`` in parts of the image's; ``aspect``: height over width; ``right`` and ``down``: where in the free space
    beside it, from 0 to 1.
    """

    area: float
    aspect: float
    right: float
    down: float


@dataclass(frozen=True)
class Change:
    """How a view differs from the case as it is.

    ``rotate`` in degrees counter-clockwise; ``right`` and ``down`` in parts of the image's side; ``zoom``,
    ``brightness`` and ``contrast`` are factors, ``gamma`` is an exponent; ``flip`` mirrors left to right; ``noise`` is
    a standard deviation, of an image in [0, 1], drawn from ``noise_seed``; ``blur`` one in parts of the image's side.
    """

    rotate: float = 0.0
    right: float = 0.0
    down: float = 0.0
    zoom: float = 1.0
    brightness: float = 1.0
    contrast: float = 1.0
    flip: bool = False
    gamma: float = 1.0
    noise: float = 0.0
    noise_seed: int = 0
    blur: float = 0.0
    erase: Erased | None = None


def changed(image: Tensor, change: Change) -> Tensor:
    """Mirror, move, blur, brightness, contrast, gamma, noise, erase, in this order: as the patient lies, as the lens
    sees it, as the detector answers. A step that changes nothing is left out.

    ``(1 or 3, S, S)`` float32 in [0, 1], in and out.
    """
    from torchvision.transforms.v2 import functional as photo  # half a second to import, for augmented views only

    if change.flip:
        image = photo.horizontal_flip(image)
    if (change.rotate, change.right, change.down, change.zoom) != (0, 0, 0, 1):
        image = moved(image, change)
    if change.blur:
        image = blurred(image, change.blur)
    if change.brightness != 1:
        image = photo.adjust_brightness(image, change.brightness)
    if change.contrast != 1:
        image = photo.adjust_contrast(image, change.contrast)  # around the image's own mean
    if change.gamma != 1:
        image = photo.adjust_gamma(image, change.gamma)
    if change.noise:
        image = noisy(image, change.noise, change.noise_seed)
    return image if change.erase is None else erased(image, change.erase)


def moved(image: Tensor, change: Change) -> Tensor:
    """Rotate and zoom about the centre, then shift: one bilinear interpolation, ``(C, S, S)`` in and out.

    torch's ``grid_sample`` and not torchvision's ``affine``, which can fill with a constant only.
    """
    angle = math.radians(change.rotate)
    back = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / change.zoom
    shift = 2 * torch.tensor([[change.right], [change.down]])  # the image's side is 2 long in affine_grid's units
    grid = functional.affine_grid(torch.hstack([back, -back @ shift])[None], [1, *image.shape], align_corners=False)
    sampled = functional.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[0].clamp(0, 1)  # rounding may leave the range by 1e-7


def blurred(image: Tensor, deviation: float) -> Tensor:
    """Convolved with a Gaussian, ``(C, S, S)`` in and out; ``deviation`` in parts of ``S``; mirrored at the border."""
    from torchvision.transforms.v2 import functional as photo

    pixels = deviation * image.shape[-1]
    reach = min(math.ceil(_DEVIATIONS * pixels), image.shape[-1] - 1)  # no more can be mirrored
    soft: Tensor = photo.gaussian_blur(image, [2 * reach + 1, 2 * reach + 1], [pixels, pixels])
    return soft.clamp(0, 1)


def noisy(image: Tensor, deviation: float, seed: int) -> Tensor:
    """Gaussian noise on every pixel of every plane, ``(C, S, S)`` in and out; what leaves [0, 1] is cut off.

    torchvision's ``gaussian_noise`` draws from torch's global generator; a view has one of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    return (image + deviation * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def erased(image: Tensor, hole: Erased) -> Tensor:
    """A rectangle in the image's own mean, plane by plane (random erasing, Zhong et al., AAAI 2020).

    ``(C, S, S)`` in and out. A rectangle that rounds to less than one pixel, or is wider than the image, is cut to fit.
    """
    from torchvision.transforms.v2 import functional as photo

    side = image.shape[-1]
    high = min(side, max(1, round(side * math.sqrt(hole.area * hole.aspect))))
    wide = min(side, max(1, round(side * math.sqrt(hole.area / hole.aspect))))
    top, left = round(hole.down * (side - high)), round(hole.right * (side - wide))
    painted: Tensor = photo.erase(image, top, left, high, wide, image.mean((-2, -1), keepdim=True))
    return painted
