"""Small DICOM files for the tests of drafts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian


def write_header(path: Path, **elements: Any) -> Path:
    """A file with the given elements and without pixels; ``None`` leaves an element out that it would have."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = elements.pop("syntax", ExplicitVRLittleEndian)
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
    standard = {"PatientID": "p1", "Modality": "CR", "SeriesInstanceUID": "1.2", "Rows": 4, "Columns": 4}
    for keyword, value in {**standard, **elements}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture(scope="session")
def write() -> Callable[..., Path]:
    """`write_header`."""
    return write_header
