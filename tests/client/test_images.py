"""Every kind of file a case may be, and every way it can be unusable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.dicom import read_dicom
from fedgraft.client.images import CaseReader, array_to_unit, read_array, read_case
from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError

GREY = np.array([[0, 51], [102, 255]], np.uint8)
RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [51, 102, 153]]], np.uint8)


def case(path: Path | str, row: int | None = None) -> Case:
    return Case(path=str(path), label="x", patient="p", row=row)


def picture(folder: Path, image: Image.Image, name: str = "image.png", **options: Any) -> Case:
    image.save(folder / name, **options)
    return case(folder / name)


def npz(folder: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(folder / "scans.npz", **arrays)  # type: ignore[arg-type]
    return folder / "scans.npz"


def test_dicom() -> None:
    path = Path(str(get_testdata_file("CT_small.dcm")))
    assert_array_equal(read_case(case(path)), read_dicom(path))


@pytest.mark.parametrize("name", ["image.png", "IMAGE.PNG"])
def test_grey_png(tmp_path: Path, name: str) -> None:
    image = read_case(picture(tmp_path, Image.fromarray(GREY), name))
    assert image.dtype == np.float32
    assert_allclose(image, GREY / 255, atol=1e-7)


def test_sixteen_bit_png(tmp_path: Path) -> None:
    deep = np.array([[0, 13107], [26214, 65535]], np.uint16)
    assert_allclose(read_case(picture(tmp_path, Image.fromarray(deep))), deep / 65535, atol=1e-7)


def test_one_bit_png(tmp_path: Path) -> None:
    black_and_white = Image.fromarray(GREY).point(lambda value: 255 * (value > 60)).convert("1")
    assert_array_equal(read_case(picture(tmp_path, black_and_white)), [[0, 0], [1, 1]])


def test_colour_png(tmp_path: Path) -> None:
    assert_allclose(read_case(picture(tmp_path, Image.fromarray(RGB))), RGB / 255, atol=1e-7)


def test_palette_becomes_colour_and_transparency_is_dropped(tmp_path: Path) -> None:
    palette = Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE)
    assert_allclose(read_case(picture(tmp_path, palette)), RGB / 255, atol=1e-7)
    clear = Image.fromarray(RGB)
    clear.putalpha(0)
    assert_allclose(read_case(picture(tmp_path, clear)), RGB / 255, atol=1e-7)
    grey = Image.fromarray(GREY)
    grey.putalpha(100)
    assert_allclose(read_case(picture(tmp_path, grey)), GREY / 255, atol=1e-7)


@pytest.mark.parametrize("name", ["image.jpg", "image.jpeg"])
def test_jpeg_is_turned_as_exif_says(tmp_path: Path, name: str) -> None:
    flat = np.zeros((16, 32), np.uint8)
    flat[:, 16:] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    image = read_case(picture(tmp_path, Image.fromarray(flat), name, exif=exif, quality=100))
    assert image.shape == (16, 32)
    assert_allclose(image, flat[:, ::-1] / 255, atol=0.02)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY[None], GREY / 255),
        (GREY[None, ..., None], GREY / 255),
        (RGB[None], RGB / 255),
        (GREY[None].astype(np.uint16) * 257, GREY / 255),
        (GREY[None] > 60, GREY > 60),
        (GREY[None] / 255, GREY / 255),
        ((GREY[None] / 255).astype(np.float16), GREY / 255),
    ],
)
def test_npz(tmp_path: Path, array: NDArray[Any], expected: NDArray[Any]) -> None:
    path = npz(tmp_path, images=array)
    image = read_case(case(f"{path}::images", row=0))
    assert image.dtype == np.float32
    assert_allclose(image, expected, atol=1e-3 if array.dtype == np.float16 else 1e-6)


def test_npz_is_opened_once(tmp_path: Path) -> None:
    path = npz(tmp_path, images=np.stack([GREY, GREY.T]))
    read = CaseReader()
    assert_allclose(read(case(f"{path}::images", 0)), GREY / 255, atol=1e-7)
    path.unlink()
    assert_allclose(read(case(f"{path}::images", 1)), GREY.T / 255, atol=1e-7)


def test_npz_errors(tmp_path: Path) -> None:
    path = npz(tmp_path, images=GREY[None], flat=GREY)
    both = "an .npz needs its array in the path"
    for wrong, message in (
        (case(path, 0), both),
        (case(f"{path}::images"), both),
        (case(f"{path}::nothing", 0), "has no array 'nothing'; it has images, flat"),
        (case(f"{path}::images", 1), "there is no row 1; the array has 1"),
        (case(f"{path}::flat", 0), r"has the shape \(2,\); need \(H, W\)"),
        (case(f"{tmp_path}/other.npz::images", 0), "there is no such file"),
    ):
        with pytest.raises(DataError, match=message):
            read_case(wrong)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"not a readable \.npz of plain arrays"):
        read_array(tmp_path / "bad.npz", "images")


def test_npz_is_never_unpickled(tmp_path: Path) -> None:
    path = npz(tmp_path, images=np.array([[[{"a": 1}]]], dtype=object))
    with pytest.raises(DataError, match=r"not a readable \.npz of plain arrays \(ValueError\)"):
        read_array(path, "images")


def test_npy_named_npz(tmp_path: Path) -> None:
    with (tmp_path / "bad.npz").open("wb") as stream:
        np.save(stream, GREY)
    with pytest.raises(DataError, match=r"not a readable \.npz"):
        read_array(tmp_path / "bad.npz", "images")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 4), np.uint8), r"an image has the shape \(2, 2, 4\); need \(H, W\), \(H, W, 1\) or"),
        (np.zeros((2, 2), np.int32), "dtype int32 has no known range; use uint8, uint16, or floats in"),
        (np.array([[0.0, 1.5]]), r"an image of dtype float64 must lie in \[0, 1\]; scale it"),
        (np.array([[-0.1, 1.0]]), r"must lie in \[0, 1\]"),
        (np.array([[np.nan, 1.0]]), r"must lie in \[0, 1\]"),
    ],
)
def test_array_errors(image: NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=f"scans: .*{message}"):
        array_to_unit(image, "scans")


def test_picture_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read_case(case(tmp_path / "nothing.png"))
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(DataError, match="not a readable PNG or JPEG"):
        read_case(case(tmp_path / "bad.png"))
    Image.fromarray(GREY).save(tmp_path / "image.bmp")
    (tmp_path / "image.bmp").rename(tmp_path / "bmp.png")
    with pytest.raises(DataError, match=r"not a readable PNG or JPEG \(UnidentifiedImageError\)"):
        read_case(case(tmp_path / "bmp.png"))
    whole = picture(tmp_path, Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)))
    Path(whole.path).write_bytes(Path(whole.path).read_bytes()[:100])
    with pytest.raises(DataError, match="not a readable PNG or JPEG"):
        read_case(whole)


def test_kind_errors(tmp_path: Path) -> None:
    for name in ("image.tif", "image"):
        with pytest.raises(DataError, match=r"unknown kind of file '.*'; use one of \.dcm, \.png"):
            read_case(case(tmp_path / name))
    for wrong in (case("/a/image.png", 0), case("/a/image.dcm::pixels")):
        with pytest.raises(DataError, match=r"`row` and `::array` are for \.npz files"):
            read_case(wrong)
