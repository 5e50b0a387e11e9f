"""Resample images to square pixels, which networks and viewers assume; positions of slices along their normal."""

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
"""The largest ratio of a pixel's sides; more is an error in the file."""


def aspect_of(frame: FrameElements) -> float:
    """Height of a pixel over its width; 1 if the file states neither.

    Taken from the first of these elements that is there and not 0: (0028,0030) Pixel Spacing (PS3.3 10.7.1.3: between
    rows, then between columns), (0018,1164) Imager and (0018,2010) Nominal Scanned Pixel Spacing, and (0028,0034) Pixel
    Aspect Ratio (C.7.6.3.1.7: vertical, then horizontal).

    Raises:
        CaseError: ``inconsistent``: one side is more than `MOST` times the other.
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
    """Resample bilinearly to square pixels of the finer of the two spacings: one side of the image gets more pixels.

    If that is less than half a pixel, the image is returned unchanged.

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
    """The position of a slice along the normal of its plane, in mm; ``None`` if the file does not state it.

    Args:
        place: (0020,0032) Image Position, in mm.
        orientation: (0020,0037) Image Orientation: direction cosines of a row, then of a column; the normal is their
            cross product.
    """
    if len(place) != 3 or len(orientation) != 6:
        return None
    normal = np.cross(orientation[:3], orientation[3:])
    length = float(np.linalg.norm(normal))
    return float(np.dot(normal, place)) / length if length > 0.5 else None
