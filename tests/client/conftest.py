"""Small DICOM files for the tests of drafts; a cohort of pictures and the starts of a site for those of the ingest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from fedgraft.client.cohort.case import Case
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.row_store import Store
from fedgraft.common.interfaces.inputs import ImageSpec

SPEC = ImageSpec(channels=3, size=16, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bicubic")


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


class Counter:
    """A `Progress` that adds up."""

    def __init__(self) -> None:
        self.cases = 0

    def __call__(self, cases: int) -> None:
        self.cases += cases


def case(path: Path | str, row: int | None = None) -> Case:
    return Case(str(path), "x", "p", row)


@pytest.fixture
def cohort(tmp_path: Path) -> list[Case]:
    """Eight pictures (number 4 in colour), two pages of a stack, and three rows of an array."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "cohort"
    folder.mkdir()
    found = []
    for number in range(8):
        shape = (20, 24, 3) if number == 4 else (20, 24)
        Image.fromarray(rng.integers(256, size=shape, dtype=np.uint8)).save(folder / f"{number}.png")
        found.append(case(folder / f"{number}.png"))
    first, second = (Image.fromarray(rng.integers(256, size=(9, 9), dtype=np.uint8)) for _ in range(2))
    first.save(folder / "stack.tif", save_all=True, append_images=[second])
    np.savez(folder / "scans.npz", images=rng.integers(256, size=(3, 8, 8), dtype=np.uint8))
    pages = [case(folder / "stack.tif", row) for row in (1, 0)]
    return [*found, *pages, *(case(f"{folder / 'scans.npz'}::images", row) for row in range(3))]


@pytest.fixture
def start(tmp_path: Path, reading: Reading) -> Callable[..., ImageIngest]:
    """A start of a site: nothing is in memory but what the folder ``kept`` gives."""

    def started(spec: ImageSpec = SPEC, workers: int = 0, **changes: Any) -> ImageIngest:
        values: dict[str, Any] = {
            "reading": reading,
            "store": Store(tmp_path / "kept"),
            "refuse_burned_in": True,
            "progress": Counter(),
            **changes,
        }
        return ImageIngest(spec=spec, workers=workers, **values)

    return started
