"""Colour of 16 bits keeps all of them: files written by hand, byte by byte (PNG 3rd edition section 11, TIFF 6.0)."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.grey_levels import Levels
from fedgraft.client.images.raster import read_picture
from fedgraft.client.site.limits import Limits

RNG = np.random.default_rng(0)
WIDE = RNG.integers(0, 65536, (5, 4, 3), np.uint16)
VEIL = RNG.integers(0, 65536, (5, 4, 1), np.uint16)
TURN = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x0112, 3, 1, 6, 0, 0)
"""EXIF: orientation 6, to be turned a quarter to the right."""


def png(path: Path, pixels: NDArray[np.uint16], kind: int, exif: bytes = b"") -> Path:
    """A PNG of ``(H, W, C)`` in 16 bits; ``kind`` is its Colour Type: 2 RGB, 4 grey and alpha, 6 RGB and alpha. Lines
    have the filters None and Up in turn."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    high, wide = pixels.shape[:2]
    lines = pixels.astype(">u2").view(np.uint8).reshape(high, -1)
    packed = b"".join(
        bytes([2]) + (line - lines[place - 1]).tobytes() if place % 2 else bytes([0]) + line.tobytes()
        for place, line in enumerate(lines)
    )
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", wide, high, 16, kind, 0, 0, 0))
    turned = chunk(b"eXIf", exif) if exif else b""
    body = chunk(b"IDAT", zlib.compress(packed)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + turned + body)
    return path


def tiff(path: Path, pixels: NDArray[np.uint16], order: str, planes: int = 1, packed: bool = False) -> Path:
    """A TIFF of ``(H, W, 3)`` in 16 bits; ``planes``: its Planar Configuration; ``packed``: by Deflate."""
    dtype, start = f"{order}u2", 8
    stored = (pixels if planes == 1 else pixels.transpose(2, 0, 1)).astype(dtype).tobytes()
    stored = zlib.compress(stored) if packed else stored
    size = len(stored) if planes == 1 else len(stored) // 3
    bits, where, sizes = start + len(stored), start + len(stored) + 8, start + len(stored) + 24
    high, wide = pixels.shape[:2]
    count = 1 if planes == 1 else 3
    entries = [
        (256, 4, 1, wide), (257, 4, 1, high), (258, 3, 3, bits), (259, 3, 1, 8 if packed else 1), (262, 3, 1, 2),
        (273, 4, count, start if count == 1 else where), (277, 3, 1, 3), (278, 4, 1, high),
        (279, 4, count, size if count == 1 else sizes), (284, 3, 1, planes),
    ]  # fmt: skip
    table = struct.pack(f"{order}H", len(entries))
    for tag, kind, number, value in entries:
        table += struct.pack(f"{order}HHI", tag, kind, number)
        short = kind == 3 and number == 1
        table += struct.pack(f"{order}HH", value, 0) if short else struct.pack(f"{order}I", value)
    more = struct.pack(f"{order}HHHH", 16, 16, 16, 0)
    more += struct.pack(f"{order}4I", start, start + size, start + 2 * size, 0) + struct.pack(f"{order}4I", *[size] * 4)
    mark = b"II" if order == "<" else b"MM"
    path.write_bytes(mark + struct.pack(f"{order}HI", 42, start + len(stored) + len(more)) + stored + more + table)
    with path.open("ab") as stream:
        stream.write(bytes(4))
    return path


def stored_of(path: Path, levels: Levels | None = None) -> NDArray[np.int64]:
    """The stored values again, of what was read as parts of white."""
    levels = levels or Levels()
    found = read_picture(path, Limits(), levels=levels)
    return np.rint(found.pixels.astype(np.float64) * levels.white).astype(np.int64)


def test_a_png_keeps_both_bytes(tmp_path: Path) -> None:
    assert_array_equal(stored_of(png(tmp_path / "a.png", WIDE, 2)), WIDE)
    assert_array_equal(stored_of(png(tmp_path / "b.png", np.concatenate([WIDE, VEIL], 2), 6)), WIDE)


def test_grey_with_transparency_is_grey(tmp_path: Path) -> None:
    both = np.concatenate([WIDE[..., :1], VEIL], 2)
    assert_array_equal(stored_of(png(tmp_path / "a.png", both, 4)), WIDE[..., 0])


def test_it_is_turned_as_exif_says(tmp_path: Path) -> None:
    assert_array_equal(stored_of(png(tmp_path / "a.png", WIDE, 2, TURN)), np.rot90(WIDE, -1))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "deflate"])
def test_a_tiff_keeps_both_bytes(tmp_path: Path, order: str, packed: bool) -> None:
    assert_array_equal(stored_of(tiff(tmp_path / "a.tif", WIDE, order, packed=packed)), WIDE)


def test_what_can_not_be_read_whole_is_refused(tmp_path: Path) -> None:
    """In planes, Pillow would take each value's bytes for two pixels."""
    with pytest.raises(CaseError, match="unsupported: colours of 16 bits that are not plain RGB; save RGB or grey"):
        read_picture(tiff(tmp_path / "a.tif", WIDE, "<", planes=2), Limits())


def test_its_levels_are_told_and_can_be_stated(tmp_path: Path) -> None:
    dim = png(tmp_path / "a.png", WIDE >> 4, 2)
    assert read_picture(dim, Limits()).top == int(WIDE.max()) >> 4
    assert_array_equal(stored_of(dim, Levels(12, stated=True)), WIDE >> 4)


def test_colour_of_eight_bits_is_as_before(tmp_path: Path) -> None:
    small = (WIDE >> 8).astype(np.uint8)
    for name in ("a.png", "a.tif"):
        Image.fromarray(small).save(tmp_path / name)
        found = read_picture(tmp_path / name, Limits())
        assert found.top == 0
        assert_array_equal(np.rint(found.pixels * 255), small)
