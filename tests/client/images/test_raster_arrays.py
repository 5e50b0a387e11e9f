"""Arrays of an ``.npz`` to pixels, and what a hostile one can't do."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib import format as npy
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.raster import array_to_unit, read_array
from fedgraft.client.site.limits import Limits

GREY = np.array([[0, 51], [102, 255]], np.uint8)
DEEP = np.array([[0, 13107, 26214], [39321, 52428, 65535]], np.uint16)
STEPS = np.array([[0.0, 0.2, 0.4], [0.6, 0.8, 1.0]])
RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [51, 102, 153]]], np.uint8)


def npz(folder: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(folder / "scans.npz", **arrays)  # type: ignore[arg-type]
    return folder / "scans.npz"


def array_refused(path: Path, name: str = "images", **limits: int) -> str:
    with pytest.raises(CaseError) as caught:
        read_array(path, name, Limits(**limits))
    assert str(path.parent) not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_array(tmp_path: Path, save: Any) -> None:
    save(tmp_path / "scans.npz", images=DEEP, others=GREY)
    assert_array_equal(read_array(tmp_path / "scans.npz", "images", Limits()), DEEP)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04 broken"])
def test_npz_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npz").write_bytes(content)
    assert array_refused(tmp_path / "bad.npz") == "damaged: not an .npz of plain arrays (BadZipFile)"
    np.save(tmp_path / "bad.npy", GREY)
    assert array_refused(tmp_path / "bad.npy").startswith("damaged: ")
    assert array_refused(tmp_path / "none.npz").startswith("missing: ")


def test_npz_without_the_array(tmp_path: Path) -> None:
    assert array_refused(npz(tmp_path, scans=GREY)) == "no-row: the .npz has no array of this name"


def test_npz_is_never_unpickled(tmp_path: Path) -> None:
    path = npz(tmp_path, images=np.array([[[{"a": 1}]]], dtype=object))
    assert array_refused(path) == "damaged: not an .npz of plain arrays (ValueError)"


def test_an_array_of_more_bytes_than_the_limit_is_not_read(tmp_path: Path) -> None:
    """12 bytes of pixels behind a header of 128."""
    assert array_refused(npz(tmp_path, images=DEEP), decoded_bytes=139) == (
        "too-large: the array has 140 bytes; limits.decoded_bytes is less"
    )
    assert read_array(npz(tmp_path, images=DEEP), "images", Limits(decoded_bytes=140)).nbytes == 12


def test_an_npz_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Its directory says 4 GB (APPNOTE.TXT 4.3.12: the uncompressed size is at 24 of the central header)."""
    path = npz(tmp_path, images=np.zeros((1, 2, 2), np.uint8))
    content = bytearray(path.read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 4_000_000_000)
    path.write_bytes(content)
    assert array_refused(path) == "too-large: the array has 4000000000 bytes; limits.decoded_bytes is less"


@pytest.mark.parametrize("claimed", [10**10, 10**16])
def test_an_array_that_claims_more_than_it_has_is_damaged(tmp_path: Path, claimed: int) -> None:
    header = io.BytesIO()
    npy.write_array_header_1_0(header, {"shape": (1, claimed), "fortran_order": False, "descr": "|u1"})
    with zipfile.ZipFile(tmp_path / "scans.npz", "w") as archive:
        archive.writestr("images.npy", header.getvalue() + bytes(100))
    assert array_refused(tmp_path / "scans.npz").startswith("damaged: not an .npz of plain arrays (")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (GREY, GREY / 255),
        (GREY[..., None], GREY / 255),
        (RGB, RGB / 255),
        (DEEP, STEPS),
        (GREY > 60, GREY > 60),
        (STEPS, STEPS),
        (STEPS.astype(np.float16), STEPS.astype(np.float16)),
    ],
)
def test_array_to_unit(array: NDArray[Any], expected: NDArray[Any]) -> None:
    image = array_to_unit(array).pixels
    assert image.dtype == np.float32
    assert_allclose(image, expected, atol=1e-7)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 2, 4), np.uint8), "unsupported: an image has the shape (2, 2, 4); need (H, W), (H, W, 1) or"),
        (np.zeros((0, 2), np.uint8), "unsupported: an image has the shape (0, 2); need"),
        (np.zeros((2, 0), np.float32), "unsupported: an image has the shape (2, 0); need"),
        (np.zeros(2, np.uint8), "unsupported: an image has the shape (2,); need"),
        (np.zeros((2, 2), np.int32), "unsupported: dtype int32 has no known range; use uint8, uint16, or floats in"),
        (np.zeros((2, 2), np.complex64), "unsupported: dtype complex64 has no known range"),
        (np.array([["a"]]), "unsupported: dtype <U1 has no known range"),
        (np.array([[0.0, 1.5]]), "inconsistent: an image of dtype float64 must lie in [0, 1]; scale it"),
        (np.array([[-0.1, 1.0]]), "inconsistent: an image of dtype float64 must lie in [0, 1]"),
        (np.array([[np.nan, 1.0]]), "inconsistent: an image of dtype float64 must lie in [0, 1]"),
    ],
)
def test_array_errors(image: NDArray[Any], message: str) -> None:
    with pytest.raises(CaseError) as caught:
        array_to_unit(image)
    assert str(caught.value).startswith(message)
