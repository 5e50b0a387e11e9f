"""What is here already."""

from pathlib import Path

from fedgraft.client.check.measure import existing, pixel_bytes
from fedgraft.client.cohort.case import Case
from fedgraft.common.interfaces.inputs import ImageSpec

from .conftest import facts

GREY, COLOUR = (ImageSpec(channels, 10, (0.0,), (1.0,), "bicubic") for channels in (1, 3))
CASES = [Case("/a.png", "x", "p"), Case("/b.png", "x", "p"), Case("/c.npz::images", "x", "p", 0)]


def test_pixels_by_hand() -> None:
    """10 x 10 pixels of two bytes; a colour, a grey, and a row of an array, of which nothing is kept."""
    some = facts({"planes": 3}, {"planes": 1}, {"planes": 3})
    assert pixel_bytes(CASES, some, COLOUR) == 200 * (3 + 1 + 0) / 3
    assert pixel_bytes(CASES, some, GREY) == 200 * (1 + 1 + 0) / 3
    assert pixel_bytes([], facts(), GREY) == 0


def test_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert existing(tmp_path / "a" / "b") == tmp_path
