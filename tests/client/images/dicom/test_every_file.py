"""Every DICOM file that pydicom and pydicom-data ship: read to a reference's pixels, or refused for the right reason.

The reference shares no code with the reader: pydicom parses, another plug-in decodes wherever there are two, pydicom's
own functions do modality, VOI, palette and colour, and torch resamples.
"""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import data_store
import numpy as np
import pydicom
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from pydicom import config, uid
from pydicom.dataset import Dataset
from pydicom.pixels import get_decoder
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.read import frame_count, read_dicom
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

FIRST = DicomSection(window="file", choice=0, frames="first", slices=1, neighbours=False)
PYDICOM = Path(pydicom.__file__).parent / "data"
STORE = Path(next(iter(data_store.__path__))) / "data"
NO_DICOM = (".py", ".pyc", ".json", ".txt", ".md", ".dump", ".icc")

REFUSED = {
    # no DICM prefix at byte 128, PS3.10 section 7.1: data sets without the file format, and a gzip archive
    "ExplVR_BigEndNoMeta.dcm": "not-dicom",
    "ExplVR_LitEndNoMeta.dcm": "not-dicom",
    "no_meta.dcm": "not-dicom",
    "rtstruct.dcm": "not-dicom",
    "OT-PAL-8-face.dcm": "not-dicom",
    "zipMR.gz": "not-dicom",
    "TINY_ALPHA/README": "not-dicom",
    # 12-bit lossy JPEG: only libjpeg decodes it, which is under the GPL
    "JPEG-lossy.dcm": "unsupported",
    "JPGExtended.dcm": "unsupported",
    # Number of Frames is "1A", besides a VR that contradicts its element
    "badVR.dcm": "damaged",
    # no transfer syntax
    "meta_missing_tsyntax.dcm": "damaged",
    # Pixel Data of two bytes, and no Rows
    "nested_priv_SQ.dcm": "inconsistent",
    # cut off
    "MR_truncated.dcm": "damaged",
    "rtplan_truncated.dcm": "damaged",
    "emri_small_jpeg_2k_lossless_too_short.dcm": "damaged",
    # one row of pixels too many: as well a file whose Rows is wrong
    "MR_small_padded.dcm": "inconsistent",
    # the tile size in its SIZ segment has been overwritten by a delimiter: 14,540,801 tiles; no decoder reads it
    "JPEG2000-embedded-sequence-delimiter.dcm": "damaged",
    # reports, plans, structures, directories, waveforms, palettes
    **dict.fromkeys(
        [
            "empty_charset_LEI.dcm",
            "no_meta_group_length.dcm",
            "priv_SQ.dcm",
            "reportsi.dcm",
            "reportsi_with_empty_number_tags.dcm",
            "rtplan.dcm",
            "test-SR.dcm",
            "UN_sequence.dcm",
            "waveform_ecg.dcm",
            "chrJapMulti.dcm",
            "chrJapMultiExplicitIR6.dcm",
            "chrKoreanMulti.dcm",
            "chrSQEncoding.dcm",
            "chrSQEncoding1.dcm",
        ],
        "no-pixels",
    ),
}
NO_PIXELS = ("palettes/", "DICOMDIR", "TINY_ALPHA/PT000000/")
"""Parts of paths: all such files hold no image."""

OTHER_PLUGIN = {
    **dict.fromkeys([uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit], "gdcm"),  # the reader uses Pillow
    **dict.fromkeys([uid.JPEG2000, uid.JPEG2000Lossless], "gdcm"),  # the reader uses OpenJPEG
    uid.RLELossless: "pydicom",  # the reader uses pylibjpeg-rle
}
SAME_PICTURE = [
    (
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_expb.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
    ),
    (
        "emri_small.dcm",
        "emri_small_RLE.dcm",
        "emri_small_big_endian.dcm",
        "emri_small_jpeg_2k_lossless.dcm",
        "emri_small_jpeg_ls_lossless.dcm",
    ),
    ("rtdose.dcm", "rtdose_expb.dcm", "rtdose_rle.dcm"),
    ("rtdose_1frame.dcm", "rtdose_expb_1frame.dcm", "rtdose_rle_1frame.dcm"),
    ("liver.dcm", "liver_expb.dcm"),
    ("liver_1frame.dcm", "liver_expb_1frame.dcm"),
    ("SC_rgb.dcm", "SC_rgb_rle.dcm", "SC_rgb_expb.dcm", "SC_rgb_jpeg_gdcm.dcm"),
    ("SC_rgb_16bit.dcm", "SC_rgb_rle_16bit.dcm", "SC_rgb_expb_16bit.dcm"),
    ("SC_rgb_32bit.dcm", "SC_rgb_rle_32bit.dcm", "SC_rgb_expb_32bit.dcm"),
    ("SC_rgb_2frame.dcm", "SC_rgb_rle_2frame.dcm", "SC_rgb_expb_2frame.dcm"),
    ("SC_rgb_16bit_2frame.dcm", "SC_rgb_rle_16bit_2frame.dcm", "SC_rgb_expb_16bit_2frame.dcm"),
    ("SC_rgb_32bit_2frame.dcm", "SC_rgb_rle_32bit_2frame.dcm", "SC_rgb_expb_32bit_2frame.dcm"),
    ("SC_rgb_small_odd.dcm", "SC_rgb_small_odd_big_endian.dcm"),
    ("OBXXXX1A.dcm", "OBXXXX1A_rle.dcm", "OBXXXX1A_expb.dcm"),
    ("OBXXXX1A_2frame.dcm", "OBXXXX1A_rle_2frame.dcm", "OBXXXX1A_expb_2frame.dcm"),
    ("gdcm-US-ALOKA-16.dcm", "gdcm-US-ALOKA-16_big.dcm"),
    ("US1_UNCR.dcm", "US1_J2KR.dcm", "examples_jpeg2k.dcm"),
    ("MR2_UNCR.dcm", "MR2_J2KR.dcm"),
    ("RG1_UNCR.dcm", "RG1_J2KR.dcm"),
    ("RG3_UNCR.dcm", "RG3_J2KR.dcm"),
    ("color-pl.dcm", "color-px.dcm"),
    ("SC_rgb_jpeg_dcmtk.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm"),
]
"""Each group is one picture, without loss, in several transfer syntaxes."""
LOSSY_PICTURE = [
    ("SC_rgb_dcmtk_ebcr_dcmd.dcm", "SC_rgb_dcmtk_+eb+cr.dcm"),
    ("SC_rgb_dcmtk_ebcyn1_dcmd.dcm", "SC_rgb_dcmtk_+eb+cy+n1.dcm"),
    ("SC_rgb_dcmtk_ebcyn2_dcmd.dcm", "SC_rgb_dcmtk_+eb+cy+n2.dcm"),
    ("SC_rgb_dcmtk_ebcynp_dcmd.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm"),
    ("SC_rgb_dcmtk_ebcys2_dcmd.dcm", "SC_rgb_dcmtk_+eb+cy+s2.dcm"),
    ("SC_rgb_dcmtk_ebcys4_dcmd.dcm", "SC_rgb_dcmtk_+eb+cy+s4.dcm"),
    ("SC_rgb_gdcm2k_uncompressed.dcm", "SC_rgb_gdcm_KY.dcm"),
    ("SC_rgb_jpeg_dcmd.dcm", "SC_rgb_jpeg.dcm"),
    ("SC_rgb_jpeg_dcmd.dcm", "SC_jpeg_no_color_transform.dcm"),
    ("SC_rgb_jpeg_app14_dcmd.dcm", "SC_jpeg_no_color_transform_2.dcm"),
]
"""What DCMTK or GDCM decoded, and the compressed file: colour transforms, subsampling, with and without APP14."""


def shipped() -> Iterator[Path]:
    for root in (PYDICOM, STORE):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix not in NO_DICOM and "__pycache__" not in path.parts:
                yield path


FILES = {path.relative_to(PYDICOM if PYDICOM in path.parents else STORE).as_posix(): path for path in shipped()}
BY_NAME = {path.name: path for path in FILES.values()}


def expected(name: str) -> str:
    """The reason that a file must be refused for; empty if it must be read."""
    if any(part in name for part in NO_PIXELS):
        return "no-pixels"
    return next((reason for end, reason in REFUSED.items() if f"/{name}".endswith(f"/{end}")), "")


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """pydicom warns about many of its own files. The reader must not: the reference is computed apart."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", FILES)
def test_read_as_the_reference_or_refused(name: str) -> None:
    path, reason = FILES[name], expected(name)
    if reason:
        with pytest.raises(CaseError) as caught:
            read_dicom(path, FIRST, Limits())
        assert caught.value.reason == reason
        return
    frames = frame_count(path, Limits())
    for frame in {0, frames // 2, frames - 1}:
        ours = read_dicom(path, FIRST, Limits(), frame).pixels
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = reference(pydicom.dcmread(path), frame)
        assert ours.dtype == np.float32
        assert ours.shape == theirs.shape
        assert_allclose(ours, theirs, atol=tolerance(path))


@pytest.mark.parametrize("names", SAME_PICTURE, ids=lambda names: names[0])
def test_one_picture_in_several_transfer_syntaxes_is_one_array(names: tuple[str, ...]) -> None:
    frames = frame_count(BY_NAME[names[0]], Limits())
    for frame in {0, frames - 1}:
        first, *others = (read_dicom(BY_NAME[name], FIRST, Limits(), frame).pixels for name in names)
        for other in others:
            assert_array_equal(first, other)


@pytest.mark.parametrize("names", LOSSY_PICTURE, ids=lambda names: names[1])
def test_a_lossy_picture_as_other_software_decoded_it(names: tuple[str, str]) -> None:
    theirs, ours = (read_dicom(BY_NAME[name], FIRST, Limits()).pixels for name in names)
    assert_allclose(ours, theirs, atol=2.01 / 255)


def test_count_by_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    """Prints what becomes of all files."""
    outcomes: Counter[str] = Counter()
    for path in FILES.values():
        try:
            read_dicom(path, FIRST, Limits())
            outcomes["read"] += 1
        except CaseError as error:
            outcomes[error.reason] += 1
    with capsys.disabled():
        print("\n" + ", ".join(f"{outcome}: {count}" for outcome, count in outcomes.most_common()))
    wanted = Counter(expected(name) or "read" for name in FILES)
    assert outcomes == wanted


def tolerance(path: Path) -> float:
    """Rounding; where YBR becomes RGB, pydicom and libjpeg round to 8 bits; lossy decoders differ by a step or two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, specific_tags=["PhotometricInterpretation"])
    lossy = header.file_meta.TransferSyntaxUID in (uid.JPEGBaseline8Bit, uid.JPEG2000)
    colour = str(header.PhotometricInterpretation) in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
    return 1e-6 if not colour else 2.01 / 255 if lossy else 1.01 / 255


def reference(dataset: Dataset, frame: int) -> NDArray[np.floating]:
    """What must be displayed of a frame, ``(H, W)`` or ``(H, W, 3)`` in [0, 1]."""
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    plugin = OTHER_PLUGIN.get(dataset.file_meta.TransferSyntaxUID, "")
    with config.disable_value_validation():
        stored, _ = decoder.as_array(dataset, index=frame, decoding_plugin=plugin)
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        if dataset.original_encoding == (False, False) and "RedPaletteColorLookupTableData" in dataset:
            for name in ("Red", "Green", "Blue"):  # pydicom takes the words of a big endian table for little endian
                table = dataset[f"{name}PaletteColorLookupTableData"]
                table.value = np.frombuffer(table.value, ">u2").astype("<u2").tobytes()
        coloured = apply_color_lut(stored, dataset)
        unit = coloured / (2.0 ** dataset.RedPaletteColorLookupTableDescriptor[2] - 1)
    elif dataset.SamplesPerPixel == 3:
        unit = stored / (2.0**dataset.BitsStored - 1)
    else:
        unit = displayed(stored, dataset, frame)
    return squared(unit, dataset)


def displayed(stored: NDArray[np.generic], dataset: Dataset, frame: int) -> NDArray[np.floating]:
    groups = Dataset()
    shared = dataset.get("SharedFunctionalGroupsSequence", ())
    own = dataset.get("PerFrameFunctionalGroupsSequence", ())[frame : frame + 1]
    for item in (*shared, *own):
        for sequence in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            if sequence in item:
                groups.update(item[sequence].value[0])
    read = Dataset()
    read.update(dataset.group_dataset(0x28))
    read.update(groups)
    bits, signed = dataset.BitsStored, dataset.PixelRepresentation == 1
    low, high = (-(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1) if signed else (0.0, 2.0**bits - 1)
    if "ModalityLUTSequence" in read:
        low, high = 0.0, 2.0 ** read.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    else:
        slope, intercept = float(read.get("RescaleSlope", 1)), float(read.get("RescaleIntercept", 0))
        low, high = low * slope + intercept, high * slope + intercept
    stored = stored & np.array(2**bits - 1, stored.dtype) if not signed else stored
    values = apply_voi_lut(apply_modality_lut(stored, read), read).astype(np.float64)
    if "VOILUTSequence" in read:
        low, high = 0.0, 2.0 ** read.VOILUTSequence[0].LUTDescriptor[2] - 1
    unit = (values - low) / (high - low)
    unit = 1 - unit if dataset.PhotometricInterpretation == "MONOCHROME1" else unit
    return np.where(stored == dataset.get("PixelPaddingValue", np.inf), 0.0, unit)


def squared(unit: NDArray[np.floating], dataset: Dataset) -> NDArray[np.floating]:
    spacing = dataset.get("PixelSpacing") or dataset.get("PixelAspectRatio") or (1, 1)
    tall, wide = (float(side) or 1.0 for side in spacing)
    rows, columns = unit.shape[:2]
    size = (round(rows * max(tall / wide, 1)), round(columns * max(wide / tall, 1)))
    if size == (rows, columns):
        return unit
    planes = torch.from_numpy(unit.reshape(rows, columns, -1).copy()).permute(2, 0, 1)[None]
    longer = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", align_corners=False)[0]
    resampled: NDArray[np.floating] = longer.permute(1, 2, 0).numpy().reshape(*size, *unit.shape[2:])
    return resampled
