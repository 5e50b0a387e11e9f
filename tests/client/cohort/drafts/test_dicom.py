"""One DICOM header for a line of a manifest: what is taken from it, and every reason why there is none."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from fedgraft.client.cohort.drafts.dicom import age_in_years, check_label_keyword, describe
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.common.errors import DataError

Write = Callable[..., Path]


def test_everything(write: Write, tmp_path: Path) -> None:
    file = write(
        tmp_path / "no-suffix",
        PatientID=" 7 ",
        PatientSex="F",
        PatientAge="063Y",
        Modality="DX",
        Manufacturer="Acme",
        ManufacturerModelName="Ray 3",
        BodyPartExamined="CHEST",
        ViewPosition="PA",
        NumberOfFrames=3,
    )
    found = describe(file, "ViewPosition")
    assert (found.patient, found.label, found.series, found.frames) == ("7", "PA", "1.2", 3)
    assert found.columns == ("F", "63", "DX", "Acme Ray 3", "CHEST", "PA")


def test_what_is_missing_is_empty(write: Write, tmp_path: Path) -> None:
    found = describe(write(tmp_path / "a", PatientID=None, Modality=None, SeriesInstanceUID=None), None)
    assert (found.patient, found.label, found.columns, found.series, found.frames) == ("", "", ("",) * 6, "", 1)


def test_text_on_one_line_and_an_unknown_sex(write: Write, tmp_path: Path) -> None:
    found = describe(
        write(
            tmp_path / "a", PatientID="a\nb\x1bc", PatientSex="X", Manufacturer="acme", ManufacturerModelName="Acme 2"
        ),
        None,
    )
    assert (found.patient, found.columns[0], found.columns[3]) == ("a b c", "", "Acme 2")


AGES = [
    (("063Y", "19000101", "20200101"), "63"),
    (("018M", "", ""), "1"),
    (("003W", "", ""), "0"),
    (("400D", "", ""), "1"),
    (("", "19600616", "20240615"), "63"),
    (("", "19600615", "20240615"), "64"),
    (("63", "19600615", ""), ""),
    (("", "1960", "20240615"), ""),
    (("", "20250101", "20240615"), ""),
    (("", "18000101", "20240615"), ""),
]


@pytest.mark.parametrize(("given", "years"), AGES)
def test_age(given: tuple[str, str, str], years: str) -> None:
    assert age_in_years(*given) == years


def test_a_large_private_element_before_the_rows(write: Write, tmp_path: Path) -> None:
    """100 kB stand before (0028,0010): the first 64 kB are not enough."""
    file = tmp_path / "a"
    write(file)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2", "1.3"
    dataset.add_new(0x00210010, "LO", "Maker")
    dataset.add_new(0x00211001, "OB", b"\0" * 100_000)
    dataset.PatientID, dataset.Rows, dataset.Columns = "p9", 4, 4
    dataset.save_as(file, enforce_file_format=True)
    assert describe(file, None).patient == "p9"


def test_reasons(write: Write, tmp_path: Path) -> None:
    whole = write(tmp_path / "whole").read_bytes()
    (tmp_path / "text").write_text("not DICOM")
    (tmp_path / "cut").write_bytes(whole[:-60])
    (tmp_path / "long").write_bytes(whole[:-40] + b"\x28\x00\x08\x00OB\0\0\xf0\xff\xff\x7f" + b"\0" * (1 << 25))
    write(tmp_path / "report", Rows=None)
    write(tmp_path / "deflated", syntax=DeflatedExplicitVRLittleEndian)
    write(tmp_path / "frames", NumberOfFrames=1)
    text = (tmp_path / "frames").read_bytes()
    (tmp_path / "frames").write_bytes(text.replace(b"IS\x02\x001 ", b"IS\x02\x001A"))
    expected = {
        "text": "not-dicom",
        "cut": "damaged",
        "long": "too-large",
        "report": "no-pixels",
        "deflated": "unsupported",
        "frames": "damaged",
        "gone": "missing",
    }
    for name, reason in expected.items():
        with pytest.raises(CaseError) as caught:
            describe(tmp_path / name, None)
        assert (name, caught.value.reason) == (name, reason)


def test_a_deflated_bomb_is_not_inflated(write: Write, tmp_path: Path) -> None:
    start = write(tmp_path / "a", syntax=DeflatedExplicitVRLittleEndian).read_bytes()
    (tmp_path / "a").write_bytes(start[:300] + zlib.compress(bytes(10_000_000), wbits=-15))
    with pytest.raises(CaseError, match="unsupported"):
        describe(tmp_path / "a", None)


@pytest.mark.parametrize("keyword", ["BodyPartExamined", "ViewPosition", "Modality", "PatientSex", "StationName"])
def test_label_keywords(keyword: str) -> None:
    check_label_keyword(keyword)


def test_label_keywords_that_are_refused() -> None:
    with pytest.raises(DataError, match="--label-from Finding: neither `folder` nor a DICOM keyword, such as BodyPart"):
        check_label_keyword("Finding")
    for keyword in (
        "PatientName",
        "PatientID",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "Rows",
        "ReferringPhysicianName",
    ):
        with pytest.raises(
            DataError, match=f"--label-from {keyword}: names a person, a study or a quantity, not a class"
        ):
            check_label_keyword(keyword)
