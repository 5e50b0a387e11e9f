"""PALETTE COLOR, plain and segmented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.colour import expand_segments

Show = Callable[..., NDArray[np.float32]]


def tables(first: int = 0, bits: int = 16, **other: Any) -> dict[str, Any]:
    red, green, blue = ([0, 0x8000, 0xFFFF], [0xFFFF, 0, 0], [0, 0, 0x3333])
    found: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for name, table in (("Red", red), ("Green", green), ("Blue", blue)):
        found[f"{name}PaletteColorLookupTableDescriptor"] = [3, first, bits]
        found[f"{name}PaletteColorLookupTableData"] = np.array(table, "<u2").tobytes()
    return {**found, **other}


def test_a_palette_by_hand(show: Show) -> None:
    found = show(np.array([[0, 1, 2, 9]], "u1"), **tables())
    assert_allclose(found, [[[0, 1, 0], [0x8000 / 0xFFFF, 0, 0], [1, 0, 0.2], [1, 0, 0.2]]], atol=1e-6)


def test_a_palette_that_starts_elsewhere(show: Show) -> None:
    found = show(np.array([[0, 100, 102]], "u1"), **tables(first=100))
    assert_allclose(found, [[[0, 1, 0], [0, 1, 0], [1, 0, 0.2]]], atol=1e-6)


def test_segments_by_hand() -> None:
    """Two entries as they are, then a line in two steps to 10, then the first segment once more (C.7.9.2)."""
    words = [0, 2, 4, 6, 1, 2, 10, 2, 1, 0, 0]
    plain = expand_segments(np.array(words, "<u2").tobytes(), 6, wide=True)
    assert np.frombuffer(plain, "<u2").tolist() == [4, 6, 8, 10, 4, 6]
    narrow = expand_segments(bytes([0, 2, 4, 6, 1, 2, 10, 2, 1, 0, 0, 0, 0]), 6, wide=False)
    assert list(narrow) == [4, 6, 8, 10, 4, 6]
    assert expand_segments(np.array(words, ">u2").tobytes(), 6, wide=True, big=True) == plain


COUNT = "inconsistent: a segmented palette has not as many entries as its descriptor says"
KIND = "inconsistent: a segmented palette has a segment that PS3.3 C.7.9.2 does not allow"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([0, 2, 4, 6], COUNT),
        ([0, 9, 4, 6], COUNT),
        ([0, 2, 4, 6, 0, 2, 4, 6], COUNT),
        ([0, 1, 4, 1, 65535, 9], COUNT),  # a line of 65,535 entries
        ([1, 2, 10], KIND),  # a line from nowhere
        ([3, 1, 0], KIND),
        ([0, 1, 4, 2, 1, 0], "inconsistent: a segmented palette ends inside a segment"),
        ([2, 9, 0, 0], KIND),  # an indirect segment that holds itself
    ],
)
def test_segments_that_are_refused(words: list[int], text: str) -> None:
    with pytest.raises(CaseError) as caught:
        expand_segments(np.array(words, "<u2").tobytes(), 3, wide=True)
    assert str(caught.value) == text


def test_palettes_that_are_refused(refused: Callable[..., str]) -> None:
    grey = np.array([[0, 1]], "u1")
    assert refused(grey, **tables(RedPaletteColorLookupTableDescriptor=None)) == (
        "inconsistent: the descriptor of (0028,1201) Red Palette Color Lookup Table Data has not three values"
    )
    assert refused(grey, **tables(BluePaletteColorLookupTableData=b"\0\0")) == (
        "inconsistent: (0028,1203) Blue Palette Color Lookup Table Data is shorter than its descriptor says"
    )
    assert refused(grey, **tables(GreenPaletteColorLookupTableData=None)) == COUNT
    assert refused(grey.astype("i1"), **tables()) == (
        "inconsistent: PALETTE COLOR pixels are never signed (PS3.3 C.7.6.3.1.2)"
    )
    assert refused(grey.astype("<u4"), **tables()) == "unsupported: PALETTE COLOR pixels have at most 16 bits"
