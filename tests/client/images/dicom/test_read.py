"""A file as a whole: which frame, pydicom's own functions as a second opinion, and errors that name nobody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import MPEG2MPML, JPEGLSLossless

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom import read
from fedgraft.client.images.dicom.modality import stored_range
from fedgraft.client.images.dicom.read import chosen_frame, frame_count, sources
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

Show = Callable[..., NDArray[np.float32]]
Make = Callable[..., Dataset]
FRAMES = np.array([[0, 51], [102, 153], [204, 255]], "u1")
NO_FRAME = "no-frame: the file has no such frame, or the series no such slice"


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("<u2", 12), ("<i2", 12), ("<u2", 16), ("<i2", 16)])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -100.0), (3.0, 1000.0)])
def test_agrees_with_pydicom(
    make: Make, show: Show, function: str, dtype: str, bits: int, slope: float, intercept: float
) -> None:
    low, high = stored_range(bits, signed="i" in dtype)
    stored = np.random.default_rng(bits).integers(int(low), int(high) + 1, (9, 7)).astype(dtype)
    center, width = slope * (0.7 * low + 0.3 * high) + intercept, slope * (high - low) / 3
    dataset = make(stored, bits, RescaleSlope=slope, RescaleIntercept=intercept)
    dataset.WindowCenter, dataset.WindowWidth = f"{center:.8g}", f"{width:.8g}"
    dataset.VOILUTFunction = function
    theirs = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
    bottom, top = slope * low + intercept, slope * high + intercept
    ours = show(dataset)
    assert ours.dtype == np.float32
    assert_allclose(ours, (theirs - bottom) / (top - bottom), atol=1e-6)


def test_which_frame() -> None:
    def frame(count: int, frames: Any, row: int | None = None) -> int:
        return chosen_frame(count, DicomSection("file", 0, frames, 1, False), row)

    assert [frame(count, "middle") for count in (1, 2, 3, 4)] == [0, 1, 1, 2]
    assert frame(4, "first") == 0
    assert frame(4, 3) == 3
    assert frame(1, "all") == 0
    assert frame(4, "all", 2) == 2
    assert frame(4, "first", 2) == 2


def test_frames_of_a_file(make: Make, save: Callable[..., Path], show: Show, refused: Callable[..., str]) -> None:
    path = save(make(FRAMES, Rows=1, NumberOfFrames=3))
    assert frame_count(path, Limits()) == 3
    assert_allclose(show(path), [[0.4, 0.6]], atol=1e-7)
    assert_allclose(show(path, plan={"frames": "first"}), [[0, 0.2]], atol=1e-7)
    assert_allclose(show(path, plan={"frames": 2}), [[0.8, 1]], atol=1e-7)
    assert_allclose(show(path, row=2), [[0.8, 1]], atol=1e-7)
    assert refused(path, plan={"frames": 3}) == NO_FRAME
    assert refused(path, row=3) == NO_FRAME
    assert refused(path, row=-1) == NO_FRAME
    every = "no-frame: dicom.frames is all: each frame must be a case of its own"
    assert refused(path, plan={"frames": "all"}) == every


def test_sources_are_the_frames_that_are_read(make: Make, save: Callable[..., Path]) -> None:
    several, one = save(make(FRAMES, Rows=1, NumberOfFrames=3), "several.dcm"), save(make(FRAMES), "one.dcm")

    def chosen(path: Path, row: int | None = None, neighbours: bool = False) -> tuple[int, ...]:
        (source,) = sources(path, DicomSection("file", 0, "middle", 1, neighbours), Limits(), row)
        assert source.path == path
        return source.frames

    assert (chosen(several), chosen(several, 2), chosen(one)) == ((1,), (2,), ())
    assert (chosen(several, 1, True), chosen(several, 2, True)) == ((0, 1, 2), (1, 2))
    with pytest.raises(CaseError, match="no-frame"):
        chosen(several, 3)


def test_a_video_is_refused(make: Make, refused: Callable[..., str]) -> None:
    grey = make(np.zeros((2, 2), "u1"))
    grey.PixelData = make([b"video"]).PixelData
    grey["PixelData"].is_undefined_length, grey["PixelData"].VR = True, "OB"
    grey.file_meta.TransferSyntaxUID = MPEG2MPML
    text = "unsupported: (0002,0010) Transfer Syntax UID is not one that FedGraft reads"
    assert refused(grey) == text


def test_whatever_a_decoder_raises_is_one_reason(
    make: Make, save: Callable[..., Path], refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(make(FRAMES))

    def raising(error: Exception) -> Callable[..., Any]:
        def fails(*arguments: Any, **keywords: Any) -> Any:
            raise error

        return fails

    monkeypatch.setattr(read, "native", raising(ValueError("Doe^Secret")))
    assert refused(path) == "damaged: the file can't be decoded (ValueError)"
    monkeypatch.setattr(read, "native", raising(MemoryError()))
    assert refused(path) == "crashed: there is not enough memory to decode the file"
    monkeypatch.setattr(read, "layout_of", raising(ValueError("Doe^Secret")))
    with pytest.raises(CaseError, match=r"^damaged: the file can't be parsed \(ValueError\)$"):
        frame_count(path, Limits())


def test_a_damaged_codestream(make: Make, refused: Callable[..., str]) -> None:
    grey = make(np.zeros((2, 2), "u1"))
    grey.PixelData = make([b"\xff\xd8 no JPEG-LS \xff\xd9"]).PixelData
    grey["PixelData"].is_undefined_length, grey["PixelData"].VR = True, "OB"
    grey.file_meta.TransferSyntaxUID = JPEGLSLossless
    assert refused(grey) == "damaged: a compressed frame has no frame header"


def test_a_file_is_not_written_to(make: Make, save: Callable[..., Path], show: Show) -> None:
    path = save(make(FRAMES))
    before = path.read_bytes()
    assert_array_equal(show(path), show(path))
    assert path.read_bytes() == before
