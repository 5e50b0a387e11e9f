"""Compressed frames to stored values."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from struct import pack

import data_store
import jpeg_ls
import numpy as np
import pydicom
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from pydicom import uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.codestream import JPEG_2000, codestream_of
from fedgraft.client.images.dicom.decoders import BOMB, by_gdcm, decoded, run_lengths
from fedgraft.client.images.dicom.frames import encapsulated
from fedgraft.client.images.dicom.header import header_of
from fedgraft.client.images.dicom.layout import Layout, Stored, layout_of
from fedgraft.client.site.limits import Limits

GREY = Layout(2, 3, 1, "MONOCHROME2", 8, 8, 0, False, False, 1)
REST = b"\1\x11\0\xff\xda\0\2\xff\xd9"
"""Of a codestream, after the size of its frame header."""
ROOTS = (Path(pydicom.__file__).parent / "data", Path(next(iter(data_store.__path__))) / "data")


def decode(syntax: str, data: bytes, layout: Layout) -> tuple[Stored, str]:
    return decoded(syntax, codestream_of(syntax, data, layout), data, layout)


def rle(*segments: bytes) -> bytes:
    starts = list(accumulate((len(segment) for segment in segments), initial=64))[:-1]
    return pack("<16L", len(segments), *starts, *[0] * (15 - len(segments))) + b"".join(segments)


def test_rle_by_hand() -> None:
    """A head of 2 is followed by three bytes, one of 254 by a byte to be taken three times (PS3.5 G.3.1)."""
    cells, photometric = decode(uid.RLELossless, rle(b"\2\1\2\3\xfe\7"), GREY)
    assert_array_equal(cells, [[1, 2, 3], [7, 7, 7]])
    assert photometric == "MONOCHROME2"


def test_rle_of_16_bits_holds_the_high_bytes_first() -> None:
    layout = replace(GREY, allocated=16, stored=16)
    cells, _ = decode(uid.RLELossless, rle(b"\xfb\1", b"\5\1\2\3\4\5\6"), layout)
    assert_array_equal(cells, [[257, 258, 259], [260, 261, 262]])


def test_rle_of_colour() -> None:
    layout = replace(GREY, samples=3, photometric="RGB", rows=1, columns=2)
    cells, _ = decode(uid.RLELossless, rle(b"\1\1\2", b"\1\3\4", b"\1\5\6"), layout)
    assert_array_equal(cells, [[[1, 3, 5], [2, 4, 6]]])


@pytest.mark.parametrize("segment", [b"\4\1\2\3\4\5", b"\xfa\1"])
def test_rle_of_too_few_or_too_many(segment: bytes) -> None:
    text = "^inconsistent: an RLE segment holds more or less than the pixels of a frame$"
    with pytest.raises(CaseError, match=text):
        decode(uid.RLELossless, rle(segment), GREY)


def test_run_lengths_by_hand() -> None:
    assert run_lengths(b"\2\1\2\3\xfe\7\x80", 99) == 6
    assert run_lengths(b"\1\1\2\0", 99) == 2  # the last byte makes the length even
    assert run_lengths(b"\x81\0" * 1000, 500) == 512  # no further than it needs to


def test_an_rle_bomb_is_not_inflated() -> None:
    segment = b"\x81\0" * (BOMB // 128 + 1)
    with pytest.raises(CaseError, match=r"^inconsistent: an RLE segment holds more than the pixels of a frame$"):
        decode(uid.RLELossless, rle(segment), GREY)


def test_jpeg_of_grey() -> None:
    stored = np.full((8, 8), 77, "u1")
    cells, photometric = decode(uid.JPEGBaseline8Bit, jpeg(stored), replace(GREY, rows=8, columns=8))
    assert_array_equal(cells, stored)
    assert photometric == "MONOCHROME2"


@pytest.mark.parametrize(("says", "becomes"), [("YBR_FULL_422", "RGB"), ("RGB", "RGB")])
def test_jpeg_of_colour_is_what_the_data_set_says(says: str, becomes: str) -> None:
    """JFIF makes libjpeg take the components for YCbCr; where the data set says RGB, they are left as they are."""
    layout = replace(GREY, rows=8, columns=8, samples=3, photometric=says)
    cells, photometric = decode(uid.JPEGBaseline8Bit, jpeg(np.full((8, 8, 3), [255, 0, 0], "u1")), layout)
    assert photometric == becomes
    expected = [255, 0, 0] if says != "RGB" else [76, 85, 255]
    assert np.abs(cells.astype(int) - expected).max() <= 1


def jpeg(pixels: NDArray[np.uint8]) -> bytes:
    written = io.BytesIO()
    Image.fromarray(pixels).save(written, "JPEG", quality=100, subsampling=0)
    return written.getvalue()


def test_a_value_beyond_bits_stored() -> None:
    layout = replace(GREY, rows=8, columns=8, stored=6)
    assert decode(uid.JPEGBaseline8Bit, jpeg(np.full((8, 8), 63, "u1")), layout)[0].max() == 63
    with pytest.raises(CaseError, match=r"^inconsistent: a decoded value is beyond \(0028,0101\) Bits Stored$"):
        decode(uid.JPEGBaseline8Bit, jpeg(np.full((8, 8), 64, "u1")), layout)


def test_compressed_pixels_of_one_bit() -> None:
    with pytest.raises(CaseError, match=r"^unsupported: compressed pixels of one bit are not read$"):
        decode(uid.RLELossless, rle(b"\5\1\2\3\4\5\6"), replace(GREY, allocated=1, stored=1))


@pytest.mark.skipif(importlib.util.find_spec("libjpeg") is not None, reason="the extra is installed")
def test_12_bits_need_the_extra() -> None:
    header = b"\xff\xd8\xff\xc1" + pack(">HBHHB", 11, 12, 2, 3, 1) + REST
    with pytest.raises(CaseError, match=r"^unsupported: 12-bit lossy JPEG needs the optional extra fedgraft\[gpl\]$"):
        decode(uid.JPEGExtended12Bit, header, replace(GREY, allocated=16, stored=12))


@pytest.mark.parametrize("bits", range(2, 17))
def test_grey_jpeg_ls_of_each_depth(bits: int) -> None:
    """The encoder takes the depth from the largest value; for noise its buffer is too small, for a ramp it is not."""
    stored = np.linspace(0, (1 << bits) - 1, 63 * 65).reshape(63, 65).round().astype("u1" if bits <= 8 else "<u2")
    data = jpeg_ls.encode(stored).tobytes()
    allocated = stored.dtype.itemsize * 8
    layout = replace(GREY, rows=63, columns=65, allocated=allocated, stored=bits)
    assert codestream_of(uid.JPEGLSLossless, data, layout).precision == bits
    cells, photometric = decode(uid.JPEGLSLossless, data, layout)
    assert_array_equal(cells, stored)
    assert photometric == "MONOCHROME2"


@pytest.mark.parametrize("bits", [6, 7])
@pytest.mark.parametrize("layout", [replace(GREY, signed=True), replace(GREY, samples=3, photometric="RGB")])
def test_jpeg_ls_that_gdcm_decodes_wrongly(bits: int, layout: Layout) -> None:
    size = 8 + 3 * layout.samples
    components = b"".join(bytes([number + 1, 0x11, 0]) for number in range(layout.samples))
    header = b"\xff\xd8\xff\xf7" + pack(">HBHHB", size, bits, 2, 3, layout.samples) + components + REST[3:]
    text = "^unsupported: JPEG-LS of 6 or 7 bits, signed or in colour, is decoded wrongly by GDCM$"
    with pytest.raises(CaseError, match=text):
        decode(uid.JPEGLSLossless, header, replace(layout, stored=bits))


def test_a_frame_that_gdcm_refuses() -> None:
    header = b"\xff\xd8\xff\xf7" + pack(">HBHHB", 11, 8, 2, 3, 1) + REST
    with pytest.raises(CaseError, match=r"^damaged: a compressed frame can't be decoded$"):
        decode(uid.JPEGLSLossless, header, GREY)


def jpeg_2000() -> Iterator[Path]:
    for path in sorted(path for root in ROOTS for path in root.rglob("*") if path.is_file()):
        try:
            with header_of(path, Limits()) as header:
                if header.syntax in JPEG_2000:
                    yield path
        except CaseError:
            continue


FILES = {path.name: path for path in jpeg_2000()}
UNREADABLE = {"JPEG2000-embedded-sequence-delimiter.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm"}


@pytest.mark.parametrize("name", sorted(FILES.keys() - UNREADABLE))
def test_gdcm_and_openjpeg_give_one_array(name: str) -> None:
    with header_of(FILES[name], Limits()) as header:
        layout = layout_of(header, Limits())
        for frame in {0, layout.frames // 2, layout.frames - 1}:
            data = encapsulated(header, layout, frame, Limits())
            stream = codestream_of(header.syntax, data, layout)
            one, several = (decoded(header.syntax, stream, data, layout, threads)[0] for threads in (1, 2))
            assert one.dtype == several.dtype
            assert_array_equal(one, several)
            assert by_gdcm(header.syntax, stream) == (layout.samples == 1)
