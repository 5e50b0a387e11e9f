"""Small DICOM files with a patient in them, read or refused; whoever is refused must not be named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import config
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.dicom.header import Header, header_of
from fedgraft.client.images.dicom.read import read_dicom
from fedgraft.client.site.limits import Limits
from fedgraft.common.plan.data_sections import DicomSection

SECRET = "Doe^Secret"
Make = Callable[..., Dataset]
NOTHING: Mapping[str, Any] = {}


def made(stored: NDArray[Any] | list[bytes], bits: int = 0, *, syntax: str = "", **elements: Any) -> Dataset:
    """A data set of stored values, or of compressed frames; an element that is ``None`` is left out.

    Args:
        stored: ``(rows, columns)`` or ``(rows, columns, 3)``.
        bits: Bits Stored; 0 = Bits Allocated.
    """
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, generate_uid()
    dataset.PatientName, dataset.PatientID = SECRET, SECRET
    if isinstance(stored, list):
        dataset.PixelData = encapsulate(stored)
        dataset["PixelData"].is_undefined_length = True
    else:
        allocated, colour = stored.dtype.itemsize * 8, stored.ndim == 3
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *stored.shape[:2], 3 if colour else 1
        dataset.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
        dataset.BitsAllocated, dataset.BitsStored = allocated, bits or allocated
        dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(stored.dtype.kind == "i")
        if colour:
            dataset.PlanarConfiguration = 0
        pixels = stored.tobytes()
        dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset["PixelData"].VR = "OW"
    with config.disable_value_validation():
        for keyword, value in elements.items():
            if value is not None:
                setattr(dataset, keyword, value)
            elif keyword in dataset:
                delattr(dataset, keyword)
    return dataset


@pytest.fixture
def make() -> Make:
    return made


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """``save(dataset, name)`` -> the file."""

    def saved(dataset: Dataset, name: str = "secret.dcm") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with config.disable_value_validation():
            dataset.save_as(path, enforce_file_format=True)
        return path

    return saved


@pytest.fixture
def show(save: Callable[..., Path]) -> Callable[..., NDArray[np.float32]]:
    """``show(stored, bits, plan={"window": "lung"}, limits={...}, row=0, **elements)`` -> the pixels."""

    def shown(
        source: Any,
        bits: int = 0,
        plan: Mapping[str, Any] = NOTHING,
        limits: Mapping[str, Any] = NOTHING,
        row: int | None = None,
        **elements: Any,
    ) -> NDArray[np.float32]:
        path = source
        if not isinstance(source, Path):
            path = save(source if isinstance(source, Dataset) else made(source, bits, **elements))
        dicom = DicomSection(
            **{"window": "file", "choice": 0, "frames": "middle", "slices": 1, "neighbours": False, **plan}
        )
        return read_dicom(path, dicom, Limits(**limits), row).pixels

    return shown


@pytest.fixture
def refused(show: Callable[..., NDArray[np.float32]], tmp_path: Path) -> Callable[..., str]:
    """As ``show``, of what can't be shown -> ``reason: text``, which names nobody."""

    def refusal(*arguments: Any, **keywords: Any) -> str:
        with pytest.raises(CaseError) as caught:
            show(*arguments, **keywords)
        assert "secret" not in str(caught.value).lower()
        assert tmp_path.name not in str(caught.value)
        assert caught.value.__cause__ is None
        return str(caught.value)

    return refusal


@pytest.fixture
def header(save: Callable[..., Path]) -> Iterator[Callable[..., Header]]:
    """``header(dataset)`` -> what is read of a file; it stays open as long as the test."""
    with ExitStack() as stack:

        def opened(source: Dataset | Path, **limits: Any) -> Header:
            path = source if isinstance(source, Path) else save(source)
            return stack.enter_context(header_of(path, Limits(**limits)))

        yield opened


@pytest.fixture
def lut_item() -> Callable[..., Dataset]:
    """One item of a LUT sequence."""

    def item(table: list[int], first: int, depth: int) -> Dataset:
        made = Dataset()
        made.LUTDescriptor = [len(table) % 2**16, first, depth]
        made["LUTDescriptor"].VR = "SS" if first < 0 else "US"
        made.LUTData = table
        made["LUTData"].VR = "US"
        return made

    return item
