"""Frames and slices: a line of a manifest becomes several cases; each file is counted once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import reason_of
from fedgraft.client.images.dicom import read
from fedgraft.client.images.expansion import expanded
from fedgraft.client.images.ingest import ImageIngest
from fedgraft.client.images.reader import Reading
from fedgraft.client.site.row_store import Store


def slice_of(path: Path, number: int, frames: int = 1) -> None:
    """A CT slice (or a file of several frames) 5 mm above the one before; its pixels differ from the others'."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, f"1.2.3.{number + 1}"
    dataset.Modality, dataset.SeriesInstanceUID, dataset.InstanceNumber = "CT", "1.2.3", number + 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 5 * number], [1, 0, 0, 0, 1, 0]
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.RescaleSlope, dataset.RescaleIntercept = 1, -1024
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    if frames > 1:
        dataset.NumberOfFrames = frames
    pixels = np.random.default_rng(number).integers(900, 1300, (frames, 8, 8), np.uint16)
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def series(tmp_path: Path) -> Case:
    """A folder of five slices, whose names are not in their order."""
    folder = tmp_path / "series"
    folder.mkdir()
    for number in range(5):
        slice_of(folder / f"IM{(3 * number) % 5}", number)
    return Case(str(folder), "x", "p")


@pytest.fixture
def store(tmp_path: Path) -> Callable[[], Store]:
    """Of a start: nothing is in memory."""
    return lambda: Store(tmp_path / "kept")


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """What is counted from its files, as it happens."""
    found: list[Path] = []
    frame_count = read.frame_count

    def count(path: Path, limits: object) -> int:
        found.append(path)
        return frame_count(path, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(read, "frame_count", count)
    return found


Stores = Callable[[], Store]


def spoil(folder: Path) -> None:
    """Make every file unreadable, with its size and time as they were."""
    for path in folder.iterdir():
        status = path.stat()
        path.write_bytes(b"\0" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def rows(cases: tuple[Case, ...]) -> list[int | None]:
    return [case.row for case in cases]


def test_a_series_becomes_as_many_cases_as_the_plan_wants_of_its_slices(
    series: Case, reading: Reading, store: Stores
) -> None:
    found = expanded([series], reading, store())
    assert found == tuple(replace(series, row=number) for number in range(3))
    for slices, count in ((1, 1), (5, 5), (9, 5)):
        more = replace(reading, dicom=replace(reading.dicom, slices=slices))
        assert rows(expanded([series], more, store())) == list(range(count))


def test_a_second_start_counts_without_opening_a_file(
    series: Case, reading: Reading, store: Stores, counted: list[Path]
) -> None:
    first = expanded([series], reading, store())
    spoil(Path(series.path))
    assert expanded([series], reading, store()) == first
    assert counted == [Path(series.path)]


def test_a_series_that_changed_is_counted_again(
    series: Case, reading: Reading, store: Stores, counted: list[Path]
) -> None:
    many = replace(reading, dicom=replace(reading.dicom, slices=99))
    assert len(expanded([series], many, store())) == 5
    slice_of(Path(series.path) / "IM9", 5)
    assert len(expanded([series], many, store())) == 6
    (Path(series.path) / "IM0").unlink()
    assert len(expanded([series], many, store())) == 5
    assert len(counted) == 3


def test_what_can_not_be_counted_stays_one_case_and_is_tried_once(
    series: Case, reading: Reading, store: Stores, counted: list[Path], tmp_path: Path
) -> None:
    for path in Path(series.path).iterdir():
        path.write_bytes(b"nothing")
    none = Case(str(tmp_path / "none"), "x", "p")
    assert expanded([series, none], reading, store()) == (series, none)
    assert expanded([series, none], reading, store()) == (series, none)
    assert counted == [Path(series.path)]


def test_all_frames_of_a_file_become_cases_and_are_counted_once(
    reading: Reading, store: Stores, counted: list[Path], tmp_path: Path
) -> None:
    slice_of(tmp_path / "one.dcm", 0)
    slice_of(tmp_path / "four.dcm", 1, frames=4)
    Image.fromarray(np.eye(4, dtype=np.uint8)).save(tmp_path / "a.png")
    cases = [Case(str(tmp_path / name), "x", "p") for name in ("one.dcm", "four.dcm", "a.png", "none.dcm")]
    cases.append(replace(cases[1], row=2))
    every = replace(reading, dicom=replace(reading.dicom, frames="all"))
    for _ in range(2):
        found = expanded(cases, every, store())
        assert [(Path(case.path).stem, case.row) for case in found] == [
            ("one", None),
            *(("four", number) for number in range(4)),
            *(("a", None), ("none", None), ("four", 2)),
        ]
    assert [path.name for path in counted] == ["one.dcm", "four.dcm"]
    assert expanded(cases, reading, store()) == tuple(cases), "one frame is one case"


def test_other_limits_count_anew(reading: Reading, tmp_path: Path, store: Stores) -> None:
    """A file that had too many frames may have few enough now."""
    slice_of(tmp_path / "cine.dcm", 0, frames=6)
    case, every = Case(str(tmp_path / "cine.dcm"), "x", "p"), replace(reading.dicom, frames="all")
    strict = Reading(every, replace(reading.limits, frames=5))
    assert expanded([case], strict, store()) == (case,)
    assert len(expanded([case], Reading(every, reading.limits), store())) == 6


def test_a_copy_elsewhere_is_counted_there(
    series: Case, reading: Reading, store: Stores, counted: list[Path], tmp_path: Path
) -> None:
    shutil.copytree(series.path, tmp_path / "copy")
    copy = replace(series, path=str(tmp_path / "copy"))
    assert rows(expanded([series, copy], reading, store())) == [0, 1, 2] * 2
    assert len(counted) == 2


def test_slices_are_taken_in_and_a_second_start_reads_none(
    series: Case, reading: Reading, start: Callable[..., ImageIngest], store: Stores
) -> None:
    """The first, the middle and the last in space."""
    cases = expanded([series, replace(series, row=4)], reading, store())
    first = start()
    facts = first.facts(cases)
    assert [reason_of(number) for number in facts["reason"]] == [None] * 3 + ["no-frame"]
    assert len({digest.tobytes() for digest in facts["digest"][:3]}) == 3
    before = first.images(cases[:3])
    spoil(Path(series.path))
    second = start()
    assert np.array_equal(second.facts(cases), facts)
    assert all(np.array_equal(*pair) for pair in zip(second.images(cases[:3]), before, strict=True))
