"""A case to pixels, whatever the file: which reader it meets, and how a case can be written wrongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from PIL import Image
from pydicom.data import get_testdata_file

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.read import read_dicom
from fedgraft.client.images.image import DeidentificationFlag
from fedgraft.client.images.reader import CaseReader, Reading, by_file, file_of, is_row
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.plan import Plan

GREY = np.array([[0, 51], [102, 255]], np.uint8)


def case(path: Path | str, row: int | None = None) -> Case:
    return Case(path=str(path), label="x", patient="p", row=row)


def npz(folder: Path, **arrays: NDArray[Any]) -> Path:
    np.savez(folder / "scans.npz", **arrays)  # type: ignore[arg-type]
    return folder / "scans.npz"


def refused(read_case: CaseReader, wrong: Case) -> str:
    with pytest.raises(CaseError) as caught:
        read_case(wrong)
    return str(caught.value)


def test_the_tests_read_files_as_a_plan_and_a_site_do_by_default(
    reading: Reading, compose_plan: Callable[..., Plan]
) -> None:
    assert reading == Reading(compose_plan().dicom, Limits())


def test_dicom(reading: Reading, read_case: CaseReader, tmp_path: Path) -> None:
    """Also one without a suffix, as an archive often names them."""
    path = Path(str(get_testdata_file("CT_small.dcm")))
    expected = read_dicom(path, reading.dicom, reading.limits, None)
    bare = tmp_path / "IM000001"
    bare.write_bytes(path.read_bytes())
    for file in (path, bare):
        found = read_case(case(file))
        assert_array_equal(found.pixels, expected.pixels)
        assert found.marks == expected.marks


def test_pictures(read_case: CaseReader, tmp_path: Path) -> None:
    for name in ("image.png", "image.TIF", "image.bmp"):
        Image.fromarray(GREY).save(tmp_path / name)
        found = read_case(case(tmp_path / name))
        assert_allclose(found.pixels, GREY / 255, atol=1e-7)
        assert found.marks == DeidentificationFlag.NONE


def test_a_picture_of_another_format_is_no_broken_dicom(read_case: CaseReader, tmp_path: Path) -> None:
    for suffix in ("gif", "webp"):
        Image.fromarray(GREY).save(tmp_path / f"a.{suffix}")
        said = "unsupported: a picture of this format is not read; save it as PNG, JPEG, TIFF or BMP"
        assert refused(read_case, case(tmp_path / f"a.{suffix}")) == said


def test_a_row_is_a_page_of_a_picture(read_case: CaseReader, tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.tif", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    assert_allclose(read_case(case(tmp_path / "a.tif", 1)).pixels, 1 - GREY / 255, atol=1e-7)


def test_rows_of_an_array(read_case: CaseReader, tmp_path: Path) -> None:
    path = npz(tmp_path, images=np.stack([GREY, GREY.T]), others=255 - GREY[None])
    assert_allclose(read_case(case(f"{path}::images", 0)).pixels, GREY / 255, atol=1e-7)
    assert_allclose(read_case(case(f"{path}::others", 0)).pixels, 1 - GREY / 255, atol=1e-7)
    path.unlink()  # it is opened once
    assert_allclose(read_case(case(f"{path}::images", 1)).pixels, GREY.T / 255, atol=1e-7)


def test_rows_of_two_files_are_not_mistaken(read_case: CaseReader, tmp_path: Path) -> None:
    for name, pixels in (("a", GREY), ("b", GREY.T)):
        np.savez(tmp_path / f"{name}.npz", images=pixels[None])
    for name, pixels in (("a", GREY), ("b", GREY.T), ("a", GREY)):
        assert_allclose(read_case(case(f"{tmp_path / name}.npz::images", 0)).pixels, pixels / 255, atol=1e-7)


def test_npz_errors(read_case: CaseReader, tmp_path: Path) -> None:
    path = npz(tmp_path, images=GREY[None], flat=GREY, number=np.uint8(3), none=np.zeros((1, 0, 0)))
    both = "no-row: an .npz needs its array in the path (file.npz::array) and a `row`"
    for wrong, message in (
        (case(path, 0), both),
        (case(f"{path}::images"), both),
        (case(f"{path}::nothing", 0), "no-row: the .npz has no array of this name"),
        (case(f"{path}::images", 1), "no-row: there is no row 1; the array has 1"),
        (case(f"{path}::number", 0), "no-row: there is no row 0; the array has 0"),
        (case(f"{path}::flat", 0), "unsupported: an image has the shape (2,); need (H, W), (H, W, 1) or (H, W, 3)"),
        (case(f"{path}::none", 0), "unsupported: an image has the shape (0, 0); need (H, W), (H, W, 1) or (H, W, 3)"),
        (case(f"{tmp_path}/other.npz::images", 0), "missing: the file does not exist or can't be opened"),
    ):
        assert refused(read_case, wrong) == message


def test_a_row_has_a_limit_of_pixels_too(reading: Reading, tmp_path: Path) -> None:
    path = npz(tmp_path, images=np.zeros((1, 2, 3, 3), np.uint8))
    small = CaseReader(replace(reading, limits=Limits(pixels=5)))
    assert refused(small, case(f"{path}::images", 0)) == "too-large: 2 x 3 pixels; limits.pixels is 5"
    assert CaseReader(replace(reading, limits=Limits(pixels=6)))(case(f"{path}::images", 0)).pixels.shape == (2, 3, 3)


def test_an_array_is_for_npz_only(read_case: CaseReader) -> None:
    for name in ("/a/image.dcm::pixels", "/a/image.png::pixels"):
        assert refused(read_case, case(name)) == "unsupported: `::array` is for .npz files"


def test_the_limits_hold_for_pictures(reading: Reading, tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "image.png")
    small = CaseReader(replace(reading, limits=Limits(pixels=3)))
    assert refused(small, case(tmp_path / "image.png")) == "too-large: 2 x 2 pixels; limits.pixels is 3"


def test_files_and_rows() -> None:
    row, picture = case("/a/Scans.NPZ::images", 3), case("/a/b.png")
    assert (file_of(row), is_row(row)) == ("/a/Scans.NPZ", True)
    assert (file_of(picture), is_row(picture)) == ("/a/b.png", False)
    cases = [case("/b.npz::x", 0), case("/a.tif", 1), case("/b.npz::y", 0), case("/a.tif", 0)]
    assert list(by_file(cases)) == [("/a.tif", [1, 3]), ("/b.npz", [0, 2])]
