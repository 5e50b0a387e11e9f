"""DICOM pixels: numbers from the standard, pydicom's own functions as a second opinion, and every error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom import config
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fedgraft.client import dicom
from fedgraft.client.dicom import (
    ELEMENTS,
    invert,
    look_up,
    read_dicom,
    rescale,
    stored_range,
    to_range,
    window,
)
from fedgraft.common.errors import DataError

SECRET = "Doe^Secret"


def make(stored: NDArray[Any], bits: int = 0, **elements: Any) -> Dataset:
    """A dataset of stored values; its patient's name must not show anywhere."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.PatientName, dataset.PatientID = SECRET, SECRET
    allocated = stored.dtype.itemsize * 8
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.SamplesPerPixel = 3 if stored.ndim == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if stored.ndim == 3 else "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    pixels = stored.tobytes()
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def lut_item(table: list[int], first: int, depth: int) -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(table) % 2**16, first, depth]
    item["LUTDescriptor"].VR = "SS" if first < 0 else "US"
    item.LUTData = table
    item["LUTData"].VR = "US"
    return item


def save(dataset: Dataset, folder: Path) -> Path:
    path = folder / "image.dcm"
    dataset.save_as(path, enforce_file_format=True)
    return path


def read(dataset: Dataset, folder: Path) -> NDArray[np.float32]:
    return read_dicom(save(dataset, folder))


@pytest.mark.parametrize(
    ("bits", "signed", "expected"),
    [(8, False, (0, 255)), (12, False, (0, 4095)), (12, True, (-2048, 2047)), (16, True, (-32768, 32767))],
)
def test_stored_range(bits: int, signed: bool, expected: tuple[float, float]) -> None:
    assert stored_range(bits, signed=signed) == expected


def test_rescale_and_invert_by_hand() -> None:
    assert_array_equal(rescale(np.array([0.0, 1.0, 2.0]), 2.0, -10.0), [-10.0, -8.0, -6.0])
    assert_array_equal(invert(np.array([0.0, 0.25, 1.0])), [1.0, 0.75, 0.0])
    assert_array_equal(to_range(np.array([-5.0, 0.0, 5.0, 20.0]), 0.0, 10.0), [0.0, 0.0, 0.5, 1.0])


def test_look_up_by_hand() -> None:
    table = np.array([10.0, 20.0, 40.0])
    assert_array_equal(look_up(np.array([-9.0, 5.0, 6.0, 6.6, 99.0]), table, 5), [10.0, 10.0, 20.0, 40.0, 40.0])


def test_linear_windows_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1 gives these four in its note."""
    assert_allclose(window(np.array([0.0, 2047.5, 4095.0]), 2048, 4096), [0, 0.5, 1])
    assert_array_equal(window(np.array([2047.0, 2047.5, 2048.0]), 2048, 1), [0, 0, 1])
    assert_allclose(window(np.array([-50.0, 0.0, 49.0]), 0, 100), [0, 50 / 99, 1], atol=1e-12)
    assert_array_equal(window(np.array([-1.0, 0.0, 1.0]), 0, 1), [0, 1, 1])


def test_exact_and_sigmoid_windows_by_hand() -> None:
    values = np.array([-1e6, -50.0, 0.0, 25.0, 50.0, 1e6])
    assert_allclose(window(values, 0, 100, "LINEAR_EXACT"), [0, 0, 0.5, 0.75, 1, 1])
    sigmoid = [0, 1 / (1 + np.e**2), 0.5, 1 / (1 + np.e**-1), 1 / (1 + np.e**-2), 1]
    assert_allclose(window(values, 0, 100, "SIGMOID"), sigmoid, atol=1e-12)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("<u2", 12), ("<i2", 12), ("<u2", 16), ("<i2", 16)])
@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.5, -100.0), (3.0, 1000.0)])
def test_agrees_with_pydicom(
    tmp_path: Path, function: str, dtype: str, bits: int, slope: float, intercept: float
) -> None:
    low, high = stored_range(bits, signed="i" in dtype)
    stored = np.random.default_rng(bits).integers(int(low), int(high) + 1, (9, 7)).astype(dtype)
    center, width = slope * (0.7 * low + 0.3 * high) + intercept, slope * (high - low) / 3
    dataset = make(stored, bits, RescaleSlope=slope, RescaleIntercept=intercept)
    dataset.WindowCenter, dataset.WindowWidth = f"{center:.8g}", f"{width:.8g}"
    dataset.VOILUTFunction = function
    theirs = apply_voi_lut(apply_modality_lut(stored, dataset), dataset)
    bottom, top = slope * low + intercept, slope * high + intercept
    ours = read(dataset, tmp_path)
    assert ours.dtype == np.float32
    assert_allclose(ours, (theirs - bottom) / (top - bottom), atol=1e-6)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm"])
def test_agrees_with_pydicom_on_real_files(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path)
    values = apply_voi_lut(apply_modality_lut(dataset.pixel_array, dataset), dataset).astype(np.float64)
    low, high = stored_range(dataset.BitsStored, signed=dataset.PixelRepresentation == 1)
    slope, intercept = float(dataset.get("RescaleSlope", 1)), float(dataset.get("RescaleIntercept", 0))
    unit = (values - (slope * low + intercept)) / (slope * (high - low))
    assert_allclose(read_dicom(path), unit, atol=1e-6)


@pytest.mark.parametrize("name", ["SC_rgb_rle.dcm", "SC_ybr_full_422_uncompressed.dcm"])
def test_colour_files_of_pydicom(name: str) -> None:
    path = Path(str(get_testdata_file(name)))
    dataset = pydicom.dcmread(path)
    image = read_dicom(path)
    assert image.shape == (dataset.Rows, dataset.Columns, 3)
    assert_allclose(image, dataset.pixel_array / 255, atol=1e-6)


def test_without_a_window_the_range_is_what_bits_stored_can_hold(tmp_path: Path) -> None:
    dataset = make(np.array([[0, 1023], [2047, 4095]], "<u2"), 12)
    assert_allclose(read(dataset, tmp_path), np.array([[0, 1023], [2047, 4095]]) / 4095, atol=1e-7)
    dataset = make(np.array([[-2048, 0, 2047]], "<i2"), 12, RescaleSlope=4, RescaleIntercept=50)
    assert_allclose(read(dataset, tmp_path), [[0, 2048 / 4095, 1]], atol=1e-7)


def test_a_negative_slope_turns_the_picture_over(tmp_path: Path) -> None:
    dataset = make(np.array([[0, 255]], "u1"), RescaleSlope=-2, RescaleIntercept=10)
    assert_array_equal(read(dataset, tmp_path), [[1, 0]])


def test_unused_high_bits_are_ignored(tmp_path: Path) -> None:
    dataset = make(np.array([[0xF000, 0xFFFF]], "<u2"), 12)
    assert_array_equal(read(dataset, tmp_path), [[0, 1]])


def test_monochrome1_is_the_negative(tmp_path: Path) -> None:
    stored = np.arange(6, dtype="<u2").reshape(2, 3)
    same: dict[str, Any] = {"WindowCenter": 3, "WindowWidth": 4, "RescaleSlope": 1, "RescaleIntercept": 0}
    light = read(make(stored, 12, **same), tmp_path)
    dark = read(make(stored, 12, **same, PhotometricInterpretation="MONOCHROME1"), tmp_path)
    assert_allclose(light + dark, 1)
    assert light[0, 0] == 0
    assert dark[0, 0] == 1


def test_the_first_of_several_windows_counts(tmp_path: Path) -> None:
    dataset = make(np.array([[0, 50, 100]], "u1"), VOILUTFunction="LINEAR_EXACT")
    dataset.WindowCenter, dataset.WindowWidth = [50, 200], [100, 10]
    assert_array_equal(read(dataset, tmp_path), [[0, 0.5, 1]])


def test_an_empty_window_is_no_window(tmp_path: Path) -> None:
    dataset = make(np.array([[0, 51, 255]], "u1"), WindowCenter=None, WindowWidth=None)
    assert_allclose(read(dataset, tmp_path), [[0, 0.2, 1]], atol=1e-7)


def test_voi_lut_goes_before_the_window(tmp_path: Path) -> None:
    dataset = make(np.array([[0, 1, 2, 9]], "u1"), WindowCenter=1, WindowWidth=2)
    dataset.VOILUTSequence = [lut_item([0, 1023, 4095], 0, 12)]
    assert_allclose(read(dataset, tmp_path), [[0, 1023 / 4095, 1, 1]], atol=1e-7)
    theirs = apply_voi_lut(dataset.pixel_array, dataset)
    assert_allclose(read(dataset, tmp_path), theirs / 4095, atol=1e-7)
    dataset.VOILUTSequence[0].LUTDescriptor[0] = 9
    message = r"\(0028,3006\) LUT Data is shorter than \(0028,3002\) LUT Descriptor says"
    with pytest.raises(DataError, match=message):
        read(dataset, tmp_path)


def test_modality_lut(tmp_path: Path) -> None:
    dataset = make(np.array([[-5, -2, -1, 7]], "<i2"))
    dataset.ModalityLUTSequence = [lut_item([100, 200, 255], -2, 8)]
    assert_allclose(read(dataset, tmp_path), np.array([[100, 100, 200, 255]]) / 255, atol=1e-7)
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 150, 100, "LINEAR_EXACT"
    assert_allclose(read(dataset, tmp_path), [[0, 0, 1, 1]], atol=1e-7)


def test_lut_data_as_bytes() -> None:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [3, 0, 16], np.array([0, 5, 65535], "<u2").tobytes()
    table, first, top = dicom.lut(item)
    assert (table.tolist(), first, top) == ([0, 5, 65535], 0, 65535)
    item.LUTDescriptor, item.LUTData = [4, 0, 8], bytes([0, 1, 2, 255])
    assert dicom.lut(item)[0].tolist() == [0, 1, 2, 255]
    item.LUTDescriptor, item.LUTData = [0, 0, 16], bytes(2 * 65536)  # 0 entries means 2^16
    assert len(dicom.lut(item)[0]) == 65536


def test_colour(tmp_path: Path) -> None:
    stored = np.array([[[255, 0, 0], [0, 51, 255]]], "u1")
    assert_allclose(read(make(stored), tmp_path), stored / 255, atol=1e-7)


def test_the_dataset_is_not_changed() -> None:
    dataset = make(np.arange(4, dtype="<u2").reshape(2, 2), 12, WindowCenter=2, WindowWidth=4)
    before = dataset.to_json()
    dicom.to_unit(dataset, dataset.pixel_array)
    assert dataset.to_json() == before


def test_nothing_about_the_patient_is_parsed(tmp_path: Path) -> None:
    """An impossible birth date would raise a warning (here: an error) if it were."""
    with config.disable_value_validation():
        dataset = make(np.array([[0, 255]], "u1"), PatientBirthDate="not a date")
        path = save(dataset, tmp_path)
    assert_array_equal(read_dicom(path), [[0, 1]])
    assert not any(keyword.startswith(("Patient", "Study", "Institution", "Referring")) for keyword in ELEMENTS)


WIDTH = r"\(0028,1051\) Window Width must be"
ERRORS = [
    ({"RescaleSlope": 0, "RescaleIntercept": 0}, r"can't be decoded \(\(0028,1053\) Rescale Slope is 0\)"),
    ({"WindowCenter": 1, "WindowWidth": 0}, f"{WIDTH} at least 1 for a LINEAR window"),
    (
        {"WindowCenter": 1, "WindowWidth": 0, "VOILUTFunction": "SIGMOID"},
        f"{WIDTH} above 0 for a SIGMOID window",
    ),
    (
        {"WindowCenter": 1, "WindowWidth": 2, "VOILUTFunction": "SECRET"},
        r"\(0028,1056\) VOI LUT Function must be LINEAR, LINEAR_EXACT or SIGMOID",
    ),
    (
        {"NumberOfFrames": 2},
        r"\(0028,0008\) Number of Frames is 2; write each frame as a DICOM file of its own",
    ),
    (
        {"PhotometricInterpretation": "PALETTE COLOR"},
        r"\(0028,0004\) Photometric Interpretation PALETTE COLOR is not supported; use one of MONOCHROME1, ",
    ),
    ({"Rows": 50}, r"the DICOM pixels can't be decoded \(ValueError\)"),
]


@pytest.mark.parametrize(("elements", "message"), ERRORS)
def test_errors_name_the_element_and_no_patient(tmp_path: Path, elements: dict[str, Any], message: str) -> None:
    path = save(make(np.array([[0, 255]], "u1"), **elements), tmp_path)
    with pytest.raises(DataError, match=message) as caught:
        read_dicom(path)
    assert str(path) in str(caught.value)
    assert "secret" not in str(caught.value).lower()
    assert caught.value.__cause__ is None
    assert caught.value.code == "data-unusable"


def test_no_file_no_dicom_no_pixels(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\(0028,0008\) Number of Frames is 30"):
        read_dicom(Path(str(get_testdata_file("examples_ybr_color.dcm"))))
    with pytest.raises(DataError, match="there is no such file"):
        read_dicom(tmp_path / "nothing.dcm")
    (tmp_path / "text.dcm").write_text("hello")
    with pytest.raises(DataError, match=r"not a DICOM file \(no DICM prefix"):
        read_dicom(tmp_path / "text.dcm")
    dataset = make(np.array([[0, 255]], "u1"))
    del dataset.PixelData
    with pytest.raises(DataError, match=r"has no \(7FE0,0010\) Pixel Data"):
        read(dataset, tmp_path)


@pytest.mark.parametrize("length", [140, 200, 300, 500])
def test_a_file_cut_short_is_refused_without_quoting_it(tmp_path: Path, length: int) -> None:
    path = save(make(np.zeros((64, 64), "<u2")), tmp_path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"can't be parsed|can't be decoded|no \(7FE0,0010\)") as caught:
        read_dicom(path)
    assert "Secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
