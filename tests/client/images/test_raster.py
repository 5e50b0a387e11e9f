"""Pictures and arrays to pixels: every depth and turn by hand, and every way in which one is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.raster import read_picture
from fedgraft.client.site.limits import Limits

GREY = np.array([[0, 51], [102, 255]], np.uint8)
DEEP = np.array([[0, 13107, 26214], [39321, 52428, 65535]], np.uint16)
STEPS = np.array([[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]])
RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [51, 102, 153]]], np.uint8)
EXIF_ORIENTATION = 0x0112
TURNED = {  # EXIF 2.32, table 6: where row 0 and column 0 of what is stored are to be seen
    1: STEPS,
    2: STEPS[:, ::-1],
    3: STEPS[::-1, ::-1],
    4: STEPS[::-1],
    5: STEPS.T,
    6: STEPS[::-1].T,
    7: STEPS[::-1, ::-1].T,
    8: STEPS[:, ::-1].T,
}


def read(path: Path, page: int | None = None, **limits: int) -> NDArray[np.float32]:
    return read_picture(path, Limits(**limits), page).pixels


def saved(path: Path, pixels: NDArray[Any], **options: Any) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def refused(path: Path, page: int | None = None, **limits: int) -> str:
    """``reason: text``."""
    with pytest.raises(CaseError) as caught:
        read(path, page, **limits)
    assert str(path.parent) not in str(caught.value)
    assert caught.value.__cause__ is None
    return str(caught.value)


def tiff(path: Path, stored: bytes, bits: int, kind: int = 1, photometric: int = 1, order: str = "<") -> Path:
    """A TIFF of two by three pixels, as TIFF 6.0 section 8 says; ``kind`` is its Sample Format (section 19)."""
    longs = {256: 3, 257: 2, 273: 8, 278: 2, 279: len(stored)}
    shorts = {258: bits, 259: 1, 262: photometric, 277: 1, 339: kind}
    entries = [(tag, struct.pack(f"{order}HHII", tag, 4, 1, value)) for tag, value in longs.items()]
    entries += [(tag, struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0)) for tag, value in shorts.items()]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entry for _, entry in sorted(entries)) + bytes(4)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    path.write_bytes(mark + struct.pack(f"{order}I", 8 + len(stored)) + stored + directory)
    return path


def png(path: Path, width: int, height: int) -> Path:
    """A PNG that says that it has so many pixels, and has hardly any."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b""))
    return path


@pytest.mark.parametrize("name", ["image.png", "IMAGE.PNG", "image.tif", "image.tiff", "image.bmp"])
def test_grey(tmp_path: Path, name: str) -> None:
    image = read(saved(tmp_path / name, GREY))
    assert image.dtype == np.float32
    assert_allclose(image, [[0, 0.2], [0.4, 1]], atol=1e-7)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("image.png", {}),
        ("image.tif", {}),
        ("image.tif", {"compression": "tiff_lzw"}),
        ("image.tif", {"compression": "tiff_adobe_deflate"}),
    ],
)
def test_sixteen_bits(tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    assert_allclose(read(saved(tmp_path / name, DEEP, **options)), STEPS, atol=1e-7)


def test_one_bit(tmp_path: Path) -> None:
    Image.fromarray(GREY).point(lambda value: 255 * (value > 60)).convert("1").save(tmp_path / "image.png")
    assert_array_equal(read(tmp_path / "image.png"), [[0, 0], [1, 1]])


@pytest.mark.parametrize("name", ["image.png", "image.tif", "image.bmp"])
def test_colour(tmp_path: Path, name: str) -> None:
    assert_allclose(read(saved(tmp_path / name, RGB)), RGB / 255, atol=1e-7)


def test_palette_becomes_colour_and_transparency_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    assert_allclose(read(path), RGB / 255, atol=1e-7)
    for pixels in (RGB, GREY):
        clear = Image.fromarray(pixels)
        clear.putalpha(0)
        clear.save(path)
        assert_allclose(read(path), pixels / 255, atol=1e-7)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["image.png", "image.tif", "image.jpg", "image.jpeg"])
def test_it_is_turned_as_exif_says(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path = saved(tmp_path / name, np.repeat(np.repeat(STEPS * 255, 8, 0), 8, 1).astype(np.uint8), exif=exif)
    expected = np.repeat(np.repeat(TURNED[orientation], 8, 0), 8, 1)
    assert_allclose(read(path), expected, atol=0.02 if "jp" in name else 1e-7)


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_deep_tiff_is_turned_too(tmp_path: Path, orientation: int, compression: str | None) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    path = saved(tmp_path / "image.tif", DEEP, exif=exif, compression=compression)
    assert_allclose(read(path), TURNED[orientation], atol=1e-7)


@pytest.mark.parametrize(
    ("stored", "bits", "options"),
    [
        (DEEP.astype("<u2").tobytes(), 16, {}),
        (DEEP.astype(">u2").tobytes(), 16, {"order": ">"}),
        (DEEP[::-1, ::-1].astype("<u2").tobytes(), 16, {"photometric": 0}),
        ((DEEP // 257).astype(np.uint8).tobytes(), 8, {}),
        ((DEEP // 257)[::-1, ::-1].astype(np.uint8).tobytes(), 8, {"photometric": 0}),
        (bytes.fromhex("03609cf0"), 4, {}),
        (bytes.fromhex("0003336660999cccfff0"), 12, {}),  # a row begins with a byte
    ],
    ids=["16", "16, big-endian", "16, 0 is white", "8", "8, 0 is white", "4", "12"],
)
def test_tiff_of_every_depth(tmp_path: Path, stored: bytes, bits: int, options: dict[str, Any]) -> None:
    """Fifths of the range: of 255 the step is 51, of 65535 it is 13107, of 15 it is 3, of 4095 it is 819 (0x333)."""
    assert_allclose(read(tiff(tmp_path / "image.tif", stored, bits, **options)), STEPS, atol=1e-6)


@pytest.mark.parametrize(("dtype", "kind"), [("<i2", 2), ("<i4", 2), ("<u4", 1), ("<f4", 3), ("i1", 2)], ids=str)
def test_pixels_without_a_known_range_are_refused(tmp_path: Path, dtype: str, kind: int) -> None:
    stored = np.arange(6).astype(dtype)
    path = tiff(tmp_path / "image.tif", stored.tobytes(), 8 * stored.itemsize, kind)
    assert refused(path) == ("unsupported: signed pixels, floats and 32 bits have no known range; save 8 or 16 bits")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    first, *others = (Image.fromarray(page) for page in (GREY, GREY.T.copy(), 255 - GREY))
    first.save(tmp_path / "stack.tif", save_all=True, append_images=others)
    return tmp_path / "stack.tif"


def test_a_page_of_several(pages: Path) -> None:
    for page, expected in enumerate((GREY, GREY.T, 255 - GREY)):
        assert_allclose(read(pages, page), expected / 255, atol=1e-7)


def test_a_page_must_be_named_and_be_there(pages: Path, tmp_path: Path) -> None:
    assert refused(pages) == "no-frame: the picture has 3 pages; name one in the manifest's `row`, from 0"
    assert refused(pages, 3) == "no-frame: there is no page 3; the picture has 3"
    assert refused(pages, 0, frames=2) == "too-large: 3 pages; limits.frames is 2"
    single = saved(tmp_path / "image.png", GREY)
    assert refused(single, 0) == "no-frame: `row` names a page, but the picture has only one; leave `row` empty"


def test_a_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    """There is nothing to decode in it: whoever tries finds it damaged."""
    bomb = png(tmp_path / "image.png", 8001, 8000)
    assert refused(bomb) == "too-large: 8000 x 8001 pixels; limits.pixels is 64000000"
    assert refused(bomb, pixels=64_008_000) == "damaged: the picture can't be decoded (OSError)"
    assert refused(png(tmp_path / "image.png", 2**31 - 1, 2**31 - 1)) == "too-large: more pixels than Pillow opens"
    assert refused(saved(tmp_path / "image.tif", GREY), pixels=3) == "too-large: 2 x 2 pixels; limits.pixels is 3"
    assert read(tmp_path / "image.tif", pixels=4).shape == (2, 2)


def test_a_bitmap(tmp_path: Path) -> None:
    """A palette of two colours, rows from the top (a negative height), and 65,535 x 65,535 pixels of which there are
    none; the header is BITMAPINFOHEADER's."""

    def bitmap(width: int, height: int, palette: bytes, stored: bytes, bits: int = 8, colours: int = 2) -> Path:
        begin = 54 + len(palette)
        info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, 0, len(stored), 0, 0, colours, 0)
        head = b"BM" + struct.pack("<IHHI", begin + len(stored), 0, 0, begin)
        (tmp_path / "image.bmp").write_bytes(head + info + palette + stored)
        return tmp_path / "image.bmp"

    palette = bytes([0, 0, 255, 0, 51, 102, 153, 0])  # blue, green, red, 0
    first, second = [1, 0, 0], [0.6, 0.4, 0.2]
    rows = bytes([0, 1, 0, 0]) + bytes([1, 1, 0, 0])  # each of four bytes
    assert_allclose(read(bitmap(2, -2, palette, rows)), [[first, second], [second, second]], atol=1e-7)
    assert_allclose(read(bitmap(2, 2, palette, rows)), [[second, second], [first, second]], atol=1e-7)
    assert refused(bitmap(8001, 8000, b"", b"", 24)) == "too-large: 8000 x 8001 pixels; limits.pixels is 64000000"
    assert refused(bitmap(65535, 65535, b"", b"", 24)) == "too-large: more pixels than Pillow opens"
    assert refused(bitmap(2, 2, palette, rows, colours=1 << 20)).startswith("damaged: ")


def test_what_is_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    assert refused(path) == "missing: the file does not exist or can't be opened"
    assert refused(tmp_path) == "missing: the file does not exist or can't be opened"
    path.write_bytes(b"\x89PNG\r\n\x1a\n broken")
    assert refused(path) == "damaged: not a PNG, JPEG, TIFF or BMP that can be read"
    saved(path, GREY, format="GIF")
    assert refused(path) == "damaged: not a PNG, JPEG, TIFF or BMP that can be read"


@pytest.mark.parametrize("name", ["image.png", "image.jpg", "image.tif", "image.bmp"])
def test_a_file_that_is_cut_off_is_damaged(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))
    whole = path.read_bytes()
    for length in range(0, len(whole) - 20, 200):
        path.write_bytes(whole[:length])
        assert refused(path).startswith("damaged: "), length
