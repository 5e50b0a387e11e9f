"""Square pixels: a network, like a reader at a screen, takes rows and columns to be equally far apart."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.values import FrameElements
from fedgraft.client.site.limits import Limits

Pixels = NDArray[np.float32]
MOST = 16.0
"""The most that one side of a pixel may be longer than the other; more is an error in the file."""


def aspect_of(frame: FrameElements) -> float:
    """Height of a pixel over its width.

    The first that is stated of (0028,0030) Pixel Spacing (PS3.3 10.7.1.3: between rows, then between columns),
    (0018,1164) Imager and (0018,2010) Nominal Scanned Pixel Spacing, and (0028,0034) Pixel Aspect Ratio (C.7.6.3.1.7:
    vertical, then horizontal). Zeros state nothing.

    Raises:
        CaseError: ``inconsistent``: beyond `MOST`.
    """
    stated: tuple[Callable[[], tuple[float, ...]], ...] = (
        lambda: frame.macro("PixelMeasuresSequence").numbers("PixelSpacing"),
        lambda: frame.dataset.numbers("PixelSpacing"),
        lambda: frame.dataset.numbers("ImagerPixelSpacing"),
        lambda: frame.dataset.numbers("NominalScannedPixelSpacing"),
        lambda: frame.dataset.numbers("PixelAspectRatio"),
    )
    for read in stated:
        sides = read()
        if len(sides) == 2 and min(sides) > 0:
            if max(sides) > MOST * min(sides):
                raise CaseError("inconsistent", f"pixels are more than {MOST:g} times as long as they are wide")
            return sides[0] / sides[1]
    return 1.0


def square(pixels: Pixels, aspect: float, limits: Limits) -> Pixels:
    """Resample so that pixels are square: the finer of the two spacings stays, the other side becomes longer.

    Bilinear. Below half a pixel of difference over the whole side nothing is done.

    Args:
        pixels: ``(H, W)`` or ``(H, W, C)``.
        aspect: as `aspect_of` gives it.

    Raises:
        CaseError: ``too-large``: the result would be beyond ``limits``.
    """
    rows, columns = pixels.shape[:2]
    size = (round(rows * max(aspect, 1.0)), round(columns * max(1 / aspect, 1.0)))
    if size == (rows, columns):
        return pixels
    if size[0] * size[1] > limits.pixels:
        raise CaseError("too-large", f"with square pixels the image has more than {limits.pixels}")
    planes = np.moveaxis(pixels, -1, 0) if pixels.ndim == 3 else pixels[None]
    longer = [
        np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], Image.Resampling.BILINEAR))
        for plane in planes
    ]
    return np.stack(longer, axis=-1) if pixels.ndim == 3 else longer[0]


def along_normal(place: tuple[float, ...], orientation: tuple[float, ...]) -> float | None:
    """How far a slice lies along the normal of its plane, in mm; ``None`` if that is not stated.

    The normal is the cross product of the directions of a row and of a column.
    """
    if len(place) != 3 or len(orientation) != 6:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    return float(np.dot(normal, place)) / length if length > 0.5 else None
