"""The changes that make a view of a case, and the pure pixel functions that apply them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

_DEVIATIONS = 3  # half-width of a blur's kernel, in standard deviations of its Gaussian


@dataclass(frozen=True)
class Erased:
    """A rectangle to erase.

    ``area``: its share of the image's area. ``aspect``: height over width. ``right``, ``down``: its position, from 0
    (at the left, at the top) to 1 (at the right, at the bottom).
    """

    area: float
    aspect: float
    right: float
    down: float


@dataclass(frozen=True)
class Change:
    """How a view differs from the unchanged case.

    ``rotate``: degrees counter-clockwise. ``right``, ``down``: shift as a share of the image's side. ``zoom``,
    ``brightness``, ``contrast``: factors. ``gamma``: exponent. ``flip``: mirror left to right. ``noise``: standard
    deviation, for pixels in [0, 1]; its seed is ``noise_seed``. ``blur``: standard deviation as a share of the side.
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
    """Apply a change: ``(1 or 3, S, S)`` float32 in [0, 1] -> the same.

    Order: flip, move, blur, brightness, contrast, gamma, noise, erase, as they arise from patient to detector. Steps
    that change nothing are skipped.
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
    """Rotate and zoom about the centre, then shift, in one bilinear interpolation: ``(C, S, S)`` -> the same.

    torch's ``grid_sample`` repeats the edge at the borders; torchvision's ``affine`` can only fill with a constant.
    """
    angle = math.radians(change.rotate)
    back = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]) / change.zoom
    shift = 2 * torch.tensor([[change.right], [change.down]])  # the image's side is 2 long in affine_grid's units
    grid = functional.affine_grid(torch.hstack([back, -back @ shift])[None], [1, *image.shape], align_corners=False)
    sampled = functional.grid_sample(image[None], grid, mode="bilinear", padding_mode="border", align_corners=False)
    return sampled[0].clamp(0, 1)  # rounding may leave the range by 1e-7


def blurred(image: Tensor, deviation: float) -> Tensor:
    """Convolve ``(C, S, S)`` with a Gaussian of standard deviation ``deviation * S`` pixels; mirrored at the border."""
    from torchvision.transforms.v2 import functional as photo

    pixels = deviation * image.shape[-1]
    reach = min(math.ceil(_DEVIATIONS * pixels), image.shape[-1] - 1)  # mirroring can't go further
    soft: Tensor = photo.gaussian_blur(image, [2 * reach + 1, 2 * reach + 1], [pixels, pixels])
    return soft.clamp(0, 1)


def noisy(image: Tensor, deviation: float, seed: int) -> Tensor:
    """Add Gaussian noise to every pixel of every plane, clipped to [0, 1]: ``(C, S, S)`` -> the same.

    Drawn from a generator of its own; torchvision's ``gaussian_noise`` draws from torch's global one.
    """
    generator = torch.Generator().manual_seed(seed)
    return (image + deviation * torch.randn(image.shape, generator=generator)).clamp(0, 1)


def erased(image: Tensor, hole: Erased) -> Tensor:
    """Fill a rectangle with the mean of each plane (random erasing, Zhong et al. 2020): ``(C, S, S)`` -> the same.

    The rectangle's sides are at least one pixel and at most the image's.
    """
    from torchvision.transforms.v2 import functional as photo

    side = image.shape[-1]
    high = min(side, max(1, round(side * math.sqrt(hole.area * hole.aspect))))
    wide = min(side, max(1, round(side * math.sqrt(hole.area / hole.aspect))))
    top, left = round(hole.down * (side - high)), round(hole.right * (side - wide))
    painted: Tensor = photo.erase(image, top, left, high, wide, image.mean((-2, -1), keepdim=True))
    return painted
