"""A compressed frame's own header, against the data set."""

from __future__ import annotations

from dataclasses import replace
from struct import pack
from typing import Any

import pytest
from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.codestream import codestream_of
from fedgraft.client.images.dicom.layout import Layout

GREY = Layout(2, 3, 1, "MONOCHROME2", 16, 12, 0, False, False, 1)
COLOUR = replace(GREY, samples=3, photometric="RGB", allocated=8, stored=8)
START, END = b"\xff\xd8", b"\xff\xd9"
TABLE, SCAN = b"\xff\xc4\0\2", b"\xff\xda\0\2"
ADOBE = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\1"
JFIF = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"


def sof(
    marker: int = 0xC3,
    precision: int = 12,
    rows: int = 2,
    columns: int = 3,
    names: bytes = b"\1",
    after: bytes = TABLE + SCAN,
) -> bytes:
    components = b"".join(bytes([name, 0x11, 0]) for name in names)
    head = bytes([0xFF, marker]) + pack(">HBHHB", 8 + 3 * len(names), precision, rows, columns, len(names))
    return head + components + after


def siz(depth: int = 11, count: int = 1, tile: tuple[int, int, int, int] = (3, 2, 0, 0), size: int = 3) -> bytes:
    """Size 3 x 2, one tile; ``depth`` as ISO/IEC 15444-1 A.5.1: bits - 1, and 0x80 for signed."""
    words = pack(">HH8LH", 38 + 3 * count, 0, size, 2, 0, 0, *tile, count)
    return b"\xff\x4f\xff\x51" + words + bytes([depth, 1, 1]) * count


def rle(*starts: int, size: int = 80) -> bytes:
    return pack("<16L", len(starts), *starts, *[0] * (15 - len(starts))).ljust(size, b"\0")


def test_a_jpeg_header() -> None:
    found = codestream_of(uid.JPEGLosslessSV1, START + JFIF + sof() + END + b"\0", GREY)
    assert (found.rows, found.columns, found.samples, found.precision) == (2, 3, 1, 12)
    assert (found.jfif, found.adobe, found.rgb_names) == (True, None, False)
    data = START + b"\xff" + ADOBE + sof(0xC0, 8, names=b"RGB") + END
    found = codestream_of(uid.JPEGBaseline8Bit, data, COLOUR)
    assert (found.jfif, found.adobe, found.rgb_names) == (False, 1, True)


def test_a_jpeg_2000_header() -> None:
    found = codestream_of(uid.JPEG2000, siz() + END, GREY)
    assert (found.rows, found.columns, found.samples, found.precision, found.signed) == (2, 3, 1, 12, False)
    signed = codestream_of(uid.JPEG2000, siz(0x8B) + END, replace(GREY, signed=True))
    assert (signed.precision, signed.signed) == (12, True)


def test_a_jpeg_2000_codestream_in_a_file_of_its_own() -> None:
    """PS3.5 A.4.4 does not allow a JP2 file, and some writers use it."""
    found = codestream_of(uid.JPEG2000, b"\0\0\0\x0cjP  \r\n\x87\n" + b"boxes" + siz() + END, GREY)
    assert found.data == siz() + END


def test_an_rle_header() -> None:
    found = codestream_of(uid.RLELossless, rle(64, 70), GREY)
    assert (found.rows, found.columns, found.precision) == (2, 3, 16)


def test_a_sign_that_only_the_data_set_knows() -> None:
    """JPEG has none: then the codestream's highest bit must be the sign."""
    assert codestream_of(uid.JPEGLosslessSV1, START + sof() + END, replace(GREY, signed=True)).precision == 12


LL, J2K = uid.JPEGLosslessSV1, uid.JPEG2000Lossless
SCANLESS = "damaged: the frame header of a compressed frame is not followed by tables and a scan"
SIGN = "inconsistent: the compressed frame contradicts (0028,0103) Pixel Representation"
OTHER = "inconsistent: the compressed frame has another size or number of samples than the data set"
DEPTH = "inconsistent: the compressed frame has another bit depth than the data set"
CUT = "damaged: the frame header of a compressed frame is cut off"
BEGIN = "damaged: a compressed frame does not start as its transfer syntax says"
TILES = "damaged: a JPEG 2000 frame has impossible tiles"
SEGMENTS = "damaged: the segments of an RLE frame lie outside of it"
REFUSED: list[tuple[str, bytes, dict[str, Any], str]] = [
    (LL, START + sof(), {}, "damaged: the compressed frame has no end marker: it is cut off"),
    (LL, sof() + END, {}, BEGIN),
    (LL, START + JFIF + END, {}, "damaged: a compressed frame has no frame header"),
    (LL, START + b"\xff\xe0\0\1" + sof() + END, {}, "damaged: a compressed frame has no frame header"),
    (LL, START + b"??" + sof() + END, {}, "damaged: a compressed frame has no frame header"),
    (LL, START + sof()[:9], {}, CUT),
    (
        LL,
        START + sof(0xC0) + END,
        {},
        "inconsistent: the compressed frame is of another process than the transfer syntax says",
    ),
    (LL, START + sof(after=b"") + END, {}, SCANLESS),
    (LL, START + sof(after=TABLE) + END, {}, SCANLESS),
    (LL, START + sof(after=SCAN) + END, {}, SCANLESS),
    (LL, START + sof(after=b"\x7f\xc4\0\2" + SCAN) + END, {}, SCANLESS),
    (
        LL,
        START + sof(names=b"\1\2\3").replace(b"\2\x11", b"\2\x12") + END,
        {},
        "unsupported: the components of a lossless JPEG or JPEG-LS frame differ in size",
    ),
    (LL, START + sof(rows=3) + END, {}, OTHER),
    (LL, START + sof(names=b"\1\2\3") + END, {}, OTHER),
    (LL, START + sof(precision=12) + END, {"allocated": 8, "stored": 8}, DEPTH),
    (LL, START + sof() + END, {"shift": 4}, DEPTH),
    (LL, START + sof(precision=16) + END, {"signed": True}, SIGN),
    (J2K, siz(0x8B) + END, {}, SIGN),
    (J2K, siz(15) + END, {"signed": True}, SIGN),
    (J2K, b"\0" + siz() + END, {}, BEGIN),
    (J2K, siz()[:30], {}, CUT),
    (J2K, siz(count=0) + END, {}, CUT),
    (J2K, siz(count=9)[:50], {}, CUT),
    (
        J2K,
        siz(count=2)[:-1] + b"\2" + END,
        {},
        "unsupported: the components of a JPEG 2000 frame differ in size or depth",
    ),
    (J2K, siz(size=0) + END, {}, "damaged: a JPEG 2000 frame has no size"),
    (J2K, siz(tile=(0, 2, 0, 0)) + END, {}, "damaged: a JPEG 2000 frame has no size"),
    (J2K, siz(tile=(3, 2, 1, 0)) + END, {}, TILES),
    (J2K, siz(size=1 << 20, tile=(1, 1, 0, 0)) + END, {}, TILES),
    (uid.RLELossless, rle(64, 70)[:60], {}, "damaged: an RLE frame has no header"),
    (
        uid.RLELossless,
        rle(64),
        {},
        "inconsistent: an RLE frame has another number of segments than samples and bits say",
    ),
    (uid.RLELossless, rle(70, 64), {}, SEGMENTS),
    (uid.RLELossless, rle(60, 70), {}, SEGMENTS),
    (uid.RLELossless, rle(64, 80), {}, SEGMENTS),
]


@pytest.mark.parametrize(("syntax", "data", "change", "text"), REFUSED)
def test_frames_that_are_refused(syntax: str, data: bytes, change: dict[str, Any], text: str) -> None:
    with pytest.raises(CaseError) as caught:
        codestream_of(syntax, data, replace(GREY, **change))
    assert str(caught.value) == text
