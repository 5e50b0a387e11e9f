"""Facts about each image that are kept besides its pixels, so that a later start need not read the file."""

from __future__ import annotations

import numpy as np
import xxhash
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError, number_of
from fedgraft.client.images.image import DecodedImage, DeidentificationFlag

Facts = NDArray[np.void]


BINS = 32
_PIXELS_COUNTED = 65536

FACTS = np.dtype(
    [
        ("reason", "u1"),  # 0 = usable, else the number of its reason
        ("marks", "u1"),  # image.DeidentificationFlag
        ("planes", "u1"),  # 1 grey, 3 colour
        ("height", "<u4"),  # of the decoded image
        ("width", "<u4"),
        ("digest", "u1", (16,)),  # of the decoded pixels: equal digests = equal pixels
        ("histogram", "<u4", (BINS,)),  # pixel values in [0, 1], bins of equal width
        ("top", "<u2"),  # DecodedImage.top
    ]
)


def facts_of(picture: DecodedImage) -> NDArray[np.void]:
    """The facts of a decoded image, ``()`` of `FACTS`.

    Raises:
        CaseError: all pixels are equal (``blank``).
    """
    pixels = np.ascontiguousarray(picture.pixels)
    height, width = pixels.shape[:2]
    if not pixels.size or pixels.min() == pixels.max():
        raise CaseError("blank")
    facts = np.zeros((), FACTS)
    facts["marks"] = picture.marks
    facts["planes"] = 1 if pixels.ndim == 2 else 3
    facts["height"], facts["width"] = height, width
    digest = xxhash.xxh3_128(f"{pixels.shape}".encode())  # nobody forges pixels here; SHA-256 takes six times as long
    digest.update(pixels.data)
    facts["digest"] = np.frombuffer(digest.digest(), np.uint8)
    facts["histogram"] = _histogram(pixels)
    facts["top"] = picture.top
    return facts


def refusal(reason: str, marks: DeidentificationFlag = DeidentificationFlag.NONE) -> NDArray[np.void]:
    """The facts of a case that can't be used, ``()`` of `FACTS`."""
    facts = np.zeros((), FACTS)
    facts["reason"], facts["marks"] = number_of(reason), marks
    return facts


def _histogram(pixels: NDArray[np.float32]) -> NDArray[np.int64]:
    """A histogram with `BINS` bins of at most `_PIXELS_COUNTED` evenly spread pixels, all planes of each."""
    count = pixels.shape[0] * pixels.shape[1]
    some = pixels.reshape(count, -1)[:: -(-count // _PIXELS_COUNTED)].reshape(-1)
    return np.bincount(np.minimum(some * BINS, BINS - 1).astype(np.uint8), minlength=BINS)
