"""The bytes of one frame, native and encapsulated."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from struct import pack
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian, JPEGLSLossless

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.frames import encapsulated
from fedgraft.client.images.dicom.header import Header
from fedgraft.client.images.dicom.layout import layout_of
from fedgraft.client.site.limits import Limits

Show = Callable[..., NDArray[np.float32]]
Make = Callable[..., Dataset]
Opened = Callable[..., Header]
EVEN: dict[str, Any] = {"WindowCenter": 2, "WindowWidth": 4, "VOILUTFunction": "LINEAR_EXACT"}
LENGTH = "inconsistent: Pixel Data has not the length that Rows, Columns, Bits Allocated, ... say"


def test_one_native_frame_of_three(make: Make, show: Show) -> None:
    dataset = make(np.array([[0, 1, 2], [2, 3, 4], [4, 0, 4]], "u1"), Rows=1, NumberOfFrames=3, **EVEN)
    assert_array_equal(show(dataset, row=0), [[0, 0.25, 0.5]])
    assert_array_equal(show(dataset, row=1), [[0.5, 0.75, 1]])
    assert_array_equal(show(dataset, row=2), [[1, 0, 1]])


def test_big_endian_words(make: Make, show: Show) -> None:
    """PS3.5 8.1.2: words of 16 bits are swapped, so two bytes of 8-bit pixels change places."""
    bytes_ = make(np.array([[0, 1, 2], [4, 3, 0]], "u1"), syntax=ExplicitVRBigEndian, Rows=1, NumberOfFrames=2, **EVEN)
    bytes_.PixelData = bytes([1, 0, 4, 2, 0, 3])
    assert_array_equal(show(bytes_, row=0), [[0, 0.25, 0.5]])
    assert_array_equal(show(bytes_, row=1), [[1, 0.75, 0]])
    words = make(np.array([[0, 1, 4]], "<u2"), syntax=ExplicitVRBigEndian, **EVEN)
    words.PixelData = bytes([0, 0, 0, 1, 0, 4])
    assert_array_equal(show(words), [[0, 0.25, 1]])


def test_pixels_of_one_bit(make: Make, show: Show) -> None:
    """PS3.5 8.1.1: the first pixel is the lowest bit, and frames follow without a gap."""
    dataset = make(np.zeros((1, 5), "u1"), BitsAllocated=1, BitsStored=1, HighBit=0, NumberOfFrames=2)
    dataset.PixelData = bytes([0b101_10011, 0b10])
    assert_array_equal(show(dataset, row=0), [[1, 1, 0, 0, 1]])
    assert_array_equal(show(dataset, row=1), [[1, 0, 1, 0, 1]])


@pytest.mark.parametrize("change", [{"Rows": 1}, {"Rows": 3}, {"NumberOfFrames": 2}, {"PixelData": b"\0" * 8}])
def test_native_pixels_of_another_length(refused: Callable[..., str], change: dict[str, Any]) -> None:
    assert refused(np.zeros((2, 3), "u1"), **change) == LENGTH


def frames(make: Make, header: Opened, pixels: bytes, count: int, **elements: Any) -> Callable[[int], bytes]:
    dataset = make(np.zeros((2, 2), "u1"), NumberOfFrames=count, **elements)
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    dataset.PixelData = pixels
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    read = header(dataset)
    return lambda frame: encapsulated(read, layout_of(read, Limits()), frame, Limits())


def item(data: bytes) -> bytes:
    return b"\xfe\xff\0\xe0" + pack("<L", len(data)) + data


A, B, C = b"\xff\xd8aa", b"bb", b"\xff\xd8cccc"
OFFSETS = [0, *accumulate(8 + len(part) for part in (A, B))]


def test_fragments_to_frames(make: Make, header: Opened) -> None:
    together = item(A) + item(B) + item(C)
    assert frames(make, header, item(b"") + together, 1)(0) == A + B + C
    one_each = frames(make, header, item(b"") + together, 3)
    assert [one_each(0), one_each(1), one_each(2)] == [A, B, C]
    by_start = frames(make, header, item(b"") + together, 2)
    assert [by_start(0), by_start(1)] == [A + B, C]
    by_table = frames(make, header, item(pack("<2L", 0, OFFSETS[1])) + together, 2)
    assert [by_table(0), by_table(1)] == [A, B + C]
    extended = {
        "ExtendedOffsetTable": pack("<2Q", 0, OFFSETS[1]),
        "ExtendedOffsetTableLengths": pack("<2Q", len(A), len(B) + len(C)),
    }
    by_extended = frames(make, header, item(b"") + together, 2, **extended)
    assert [by_extended(0), by_extended(1)] == [A, B + C]


FRAGMENTS = "inconsistent: the fragments are not those of as many frames as the header says"


@pytest.mark.parametrize(
    ("pixels", "count", "text"),
    [
        (item(b"") + item(A) + item(B), 3, FRAGMENTS),
        (item(b"") + item(B) + item(A) + item(C), 2, FRAGMENTS),
        (item(b""), 1, "inconsistent: a frame has no bytes"),
        (
            item(pack("<L", 0)) + item(A),
            2,
            "inconsistent: the offset table has not as many entries as there are frames",
        ),
        (item(pack("<2L", 0, 4)) + item(A) + item(C), 2, "inconsistent: the offset table does not point at fragments"),
        (item(b"abc"), 1, "damaged: there is no Basic Offset Table, which may be empty"),
        (
            item(b"") + b"\x08\0\x18\0\0\0\0\0",
            1,
            "damaged: the encapsulated pixels are not a row of fragments with an end",
        ),
        (
            item(b"") + b"\xfe\xff\0\xe0\xff\0\0\0",
            1,
            "damaged: the encapsulated pixels are not a row of fragments with an end",
        ),
    ],
)
def test_fragments_that_are_refused(make: Make, header: Opened, pixels: bytes, count: int, text: str) -> None:
    with pytest.raises(CaseError) as caught:
        frames(make, header, pixels, count)(0)
    assert str(caught.value) == text


def test_a_compressed_syntax_with_native_pixels(make: Make, header: Opened) -> None:
    read = header(make(np.zeros((2, 2), "u1")))
    with pytest.raises(CaseError) as caught:
        encapsulated(read, layout_of(read, Limits()), 0, Limits())
    assert str(caught.value) == "inconsistent: a compressed transfer syntax, but Pixel Data is not encapsulated"


def test_a_codestream_beyond_the_limit(make: Make, header: Opened) -> None:
    dataset = make(np.zeros((1, 1), "u1"), syntax=JPEGLSLossless, PixelData=item(b"") + item(C))
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    read = header(dataset)
    with pytest.raises(CaseError) as caught:
        encapsulated(read, layout_of(read, Limits()), 0, Limits(decoded_bytes=5))
    assert str(caught.value) == "too-large: a frame's codestream has more than 5 bytes"
