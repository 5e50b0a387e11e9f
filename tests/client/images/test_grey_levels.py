"""Pictures of 16 bits that use fewer: what is said of them, and how the manifest makes them bright."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import ignore
from fedgraft.client.cohort.quarantine import CaseError, number_of, read_remarks, reason_of, write_remarks
from fedgraft.client.images.facts import FACTS
from fedgraft.client.images.grey_levels import levels_of, sentences, unused
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.reader import CaseReader, Reading
from fedgraft.client.site.row_store import Store
from fedgraft.common.interfaces.inputs import ImageSpec

TWELVE = np.array([[0, 819], [1638, 4095]], np.uint16)
FIFTHS = [[0, 0.2], [0.4, 1]]


def saved(path: Path, pixels: NDArray[np.uint16], bits: str | None = None) -> Case:
    Image.fromarray(pixels).save(path)
    return Case(str(path), "a", "p", columns=() if bits is None else (("bits_stored", bits),))


def facts(*tops: int) -> NDArray[np.void]:
    found = np.zeros(len(tops), FACTS)
    found["top"] = tops
    return found


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_white_is_what_the_manifest_says(tmp_path: Path, read_case: CaseReader, name: str) -> None:
    dark = read_case(saved(tmp_path / name, TWELVE))
    assert_array_equal(dark.pixels, TWELVE.astype(np.float32) / np.float32(65535))  # bit for bit as ever
    assert dark.top == 4095
    bright = read_case(saved(tmp_path / name, TWELVE, "12"))
    assert_allclose(bright.pixels, FIFTHS, atol=1e-7)
    assert bright.top == 0
    assert_array_equal(read_case(saved(tmp_path / name, TWELVE, "")).pixels, dark.pixels)
    assert_array_equal(read_case(saved(tmp_path / name, TWELVE, "16")).pixels, dark.pixels)


def test_rows_of_an_array_too(tmp_path: Path, read_case: CaseReader) -> None:
    np.savez(tmp_path / "a.npz", images=TWELVE[None])
    case = Case(f"{tmp_path}/a.npz::images", "a", "p", row=0, columns=(("bits_stored", "12"),))
    assert_allclose(read_case(case).pixels, FIFTHS, atol=1e-7)


def test_a_picture_of_eight_bits_has_no_such_levels(tmp_path: Path, read_case: CaseReader) -> None:
    Image.fromarray(np.array([[0, 51]], np.uint8)).save(tmp_path / "a.png")
    found = read_case(Case(f"{tmp_path}/a.png", "a", "p", columns=(("bits_stored", "12"),)))
    assert_allclose(found.pixels, [[0, 0.2]], atol=1e-7)
    assert found.top == 0


@pytest.mark.parametrize("cell", ["0", "17", "twelve", "-1", "12.0", "\u00b2"])
def test_another_cell_is_refused(cell: str) -> None:
    with pytest.raises(CaseError, match="inconsistent: the manifest's `bits_stored` must be a whole number from 1 to"):
        levels_of(Case("a.png", "a", "p", columns=(("bits_stored", cell),)))


def test_a_brighter_pixel_than_the_bits_hold_is_refused(tmp_path: Path, read_case: CaseReader) -> None:
    with pytest.raises(CaseError, match="inconsistent: a pixel is above 2047, the most that 11 bits hold"):
        read_case(saved(tmp_path / "a.png", TWELVE, "11"))


def test_unused_levels_are_said() -> None:
    assert sentences(facts(4095, 3000, 900)) == (
        "3 pictures of 16 bits use only 4,096 of 65,536 grey levels, and are nearly black to the network: if they "
        "hold 12 bits, say so in the manifest: a column `bits_stored` with 12 in these lines",
    )
    half = unused(facts(32767, 0))
    assert half is not None and "1 picture of 16 bits uses only 32,768 of 65,536" in half.text
    assert "and is dark to the network" in half.text
    assert unused(facts(32768, 5000)) is None
    assert unused(facts(0, 0)) is None and unused(facts()) is None


def test_two_ways_of_export_are_said() -> None:
    """2 of 40 are a twentieth."""
    mixed = unused(facts(*[60_000] * 38, 4095, 4000))
    assert mixed is not None
    assert mixed.text == ("2 of 40 pictures of 16 bits use less than 4,096 of 65,536 grey levels, others up to 60,001")
    assert mixed.places == (38, 39)


def test_a_dark_picture_among_bright_ones_is_said() -> None:
    """Fewer than a twentieth, or one alone: perhaps another export, perhaps a dark picture."""
    few = unused(facts(*[60_000] * 39, 4095, 4000))
    assert few is not None and few.places == (39, 40)
    assert few.text.startswith(
        "2 of 41 pictures of 16 bits use less than 4,096 of 65,536 grey levels, and are nearly black"
    )
    one = unused(facts(60_000, 4095))
    assert one is not None and one.places == (1,)
    assert one.text == (
        "1 of 2 pictures of 16 bits uses less than 4,096 of 65,536 grey levels, and is nearly black to the network; "
        "others use up to 60,001"
    )
    assert unused(facts(60_000, 4096)) is None


def test_a_picture_that_is_not_used_says_nothing() -> None:
    found = facts(4095)
    found["reason"] = number_of("damaged")
    assert unused(found) is None


def test_what_is_kept_of_one_reading_is_not_taken_for_the_other(tmp_path: Path, reading: Reading) -> None:
    """The same file and store, before and after the manifest said how many bits are used."""
    spec = ImageSpec(1, 2, (0.0,), (1.0,), "bilinear")
    for bits, expected, top in ((None, TWELVE / 65535, 4095), ("12", np.array(FIFTHS), 0), ("11", None, 0)):
        ingest = ImageIngest(reading, spec, Store(tmp_path / "kept"), 0, True, ignore)
        case = saved(tmp_path / "a.png", TWELVE, bits)
        found = ingest.facts([case])
        assert found["top"].tolist() == [top]
        if expected is None:
            assert reason_of(int(found["reason"][0])) == "inconsistent"
        else:
            assert_allclose(ingest.images([case])[0][0], expected, atol=1e-5)


def test_remarks_are_written_and_go_again(tmp_path: Path) -> None:
    write_remarks(tmp_path / "state", ("one", "zwei \u00fc"))
    assert read_remarks(tmp_path / "state") == ("one", "zwei \u00fc")
    write_remarks(tmp_path / "state", ())
    assert read_remarks(tmp_path / "state") == () and not [*(tmp_path / "state").iterdir()]
