"""What is remembered of an image, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import REASONS, USABLE, CaseError, number_of, reason_of
from fedgraft.client.images.facts import BINS, FACTS, facts_of, refusal
from fedgraft.client.images.image import DecodedImage, DeidentificationFlag

GREY = np.array([[0.0, 1 / 64, 0.5], [0.51, 0.99, 1.0]], np.float32)


def facts(pixels: NDArray[np.float32], marks: DeidentificationFlag = DeidentificationFlag.NONE) -> NDArray[np.void]:
    return facts_of(DecodedImage(pixels, marks))


def digest(pixels: NDArray[np.float32]) -> bytes:
    found: bytes = facts(pixels)["digest"].tobytes()
    return found


def test_by_hand() -> None:
    found = facts(GREY, DeidentificationFlag.PRIVATE | DeidentificationFlag.OVERLAY)
    assert (found.dtype, found.shape) == (FACTS, ())
    assert (found["reason"], found["marks"], found["planes"]) == (USABLE, 48, 1)
    assert (found["height"], found["width"]) == (2, 3)
    assert {bin: count for bin, count in enumerate(found["histogram"].tolist()) if count} == {0: 2, 16: 2, 31: 2}
    colour = facts(np.stack([GREY, GREY, 0 * GREY], axis=-1))
    assert (colour["planes"], colour["height"], colour["width"]) == (3, 2, 3)
    assert {bin: count for bin, count in enumerate(colour["histogram"].tolist()) if count} == {0: 10, 16: 4, 31: 4}


def test_a_row_of_facts_is_as_it_is_kept() -> None:
    """Of three bytes, two numbers, sixteen bytes, the bins and a number; a change needs another name in the store."""
    assert FACTS.itemsize == 3 + 2 * 4 + 16 + 4 * BINS + 2 == 157


def test_equal_digests_are_equal_pixels() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.random((6, 4), np.float32)
    one_step = pixels.copy()
    one_step[3, 2] = np.nextafter(one_step[3, 2], np.float32(2))
    others = [one_step, pixels.reshape(4, 6), pixels.T, pixels[::-1], np.stack([pixels] * 3, axis=-1), pixels[:, :3]]
    assert digest(pixels.copy()) == digest(pixels)
    assert digest(np.asfortranarray(pixels)) == digest(pixels), "the layout in memory does not matter"
    assert len({digest(some) for some in [pixels, *others]}) == 7


def test_the_histogram_is_of_at_most_65536_pixels_and_of_every_plane() -> None:
    """Half is 0, the other half differs by plane: each must be seen."""
    pixels = np.zeros((512, 768, 3), np.float32)
    pixels[:, 384:] = (0.26, 0.51, 0.76)
    found = facts(pixels)["histogram"]
    assert {bin: count for bin, count in enumerate(found.tolist()) if count} == {
        0: 3 * 32768,
        8: 32768,
        16: 32768,
        24: 32768,
    }
    assert facts(np.tile(GREY, (100, 400)))["histogram"].sum() == 60_000  # 240,000, every fourth
    assert facts(np.tile(GREY, (1, 21845)))["histogram"].sum() == 65_535  # twice that, every second


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_an_image_of_one_value_is_blank(value: float) -> None:
    for shape in ((5, 4), (5, 4, 3), (0, 4)):
        with pytest.raises(CaseError, match="blank: all pixels are equal: there is nothing to see"):
            facts(np.full(shape, value, np.float32))


def test_refusals() -> None:
    for number, reason in enumerate(REASONS, start=1):
        found = refusal(reason, DeidentificationFlag.BURNED_IN)
        assert (found["reason"], found["marks"], found["planes"]) == (number, DeidentificationFlag.BURNED_IN, 0)
        assert found["histogram"].sum() == 0
        assert number_of(reason) == number
        assert reason_of(number) == reason
    assert reason_of(USABLE) is None
