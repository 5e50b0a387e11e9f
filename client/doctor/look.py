"""Reads the images of a cohort once: facts of each, and some as thumbnails."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.doctor.section import Thumbnail
from fedgraft.client.facts import FACTS, facts_of, refusal
from fedgraft.client.images import CaseReader
from fedgraft.client.manifest import Case
from fedgraft.client.picture import Mark, Picture
from fedgraft.client.unusable import CaseError
from fedgraft.common.errors import DataError

Read = Callable[[Case], Picture]
THUMBNAIL = 112
"""Pixels of a thumbnail's longer side: enough to see text, a wrong window or a wrong body part."""
MOST_THUMBNAILS = 48


def reading() -> Read:
    """A reader of cases; it raises `CaseError` only."""
    reader = CaseReader()

    def read(case: Case) -> Picture:
        try:
            return Picture(reader(case))
        except CaseError:
            raise
        except DataError:  # a reader that does not name its reason
            raise CaseError("damaged") from None

    return read


def look(
    cases: Sequence[Case], read: Read, refuse_burned_in: bool, progress: Callable[[int], None]
) -> NDArray[np.void]:
    """Decode every case.

    Args:
        progress: is told how many cases are done, one by one.

    Returns:
        `FACTS`, one per case, in order.
    """
    found = np.zeros(len(cases), FACTS)
    for at, case in enumerate(cases):
        found[at] = _look(case, read, refuse_burned_in)
        progress(1)
    return found


def _look(case: Case, read: Read, refuse_burned_in: bool) -> NDArray[np.void]:
    try:
        picture = read(case)
        if refuse_burned_in and picture.marks & Mark.BURNED_IN:
            return refusal("burned-in", picture.marks)
        return facts_of(picture)
    except CaseError as error:
        return refusal(error.reason)


def thumbnails(cases: Sequence[Case], read: Read, name: Callable[[Case], str]) -> tuple[Thumbnail, ...]:
    """Small pictures of usable cases, as many as are asked for; one that can't be read any more is left out.

    A thumbnail holds pixels and nothing else: no metadata of the file goes into the PNG.
    """
    found = []
    for case in cases:
        try:
            found.append(Thumbnail(_png(read(case).pixels), name(case)))
        except CaseError:
            continue
    return tuple(found)


def spread(number: int, among: Sequence[int]) -> list[int]:
    """At most ``number`` of these, evenly spaced, the first among them."""
    count = min(number, len(among))
    return [among[at * len(among) // count] for at in range(count)]


def _png(pixels: NDArray[np.float32]) -> bytes:
    image = Image.fromarray(np.rint(pixels * 255).astype(np.uint8))
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()
