"""`fedgraft predict --sr`: reports that pydicom reads back, of the right patient, images and numbers."""

from __future__ import annotations

import csv
import logging
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset

import fedgraft as fg
from fedgraft.common.cli import main
from fedgraft.common.model_folder.folder import open_model

from ...installed import needs
from .test_predict import SMALL

pytestmark = needs("highdicom", "dicom-sr")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fg.Run]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FEDGRAFT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield fg.simulate(fg.plan(**SMALL, dicom__frames="all"), tmp_path_factory.mktemp("run"), quiet=True)


def changed(path: Path, **values: Any) -> Path:
    """pydicom's CT slice with other elements; ``None`` takes one away."""
    image = pydicom.dcmread(str(get_testdata_file("CT_small.dcm")))
    for name, value in values.items():
        if value is None:
            delattr(image, name)
        else:
            setattr(image, name, value)
    image.save_as(path)
    return path


def manifest_of(folder: Path, *files: Path | str) -> Path:
    path = folder / "new.csv"
    path.write_text("path\n" + "".join(f"{file}\n" for file in files), encoding="utf-8")
    return path


def predict(run: fg.Run, folder: Path, manifest: Path, *more: str) -> int:
    given = ("--manifest", str(manifest), "--out", str(folder / "out.csv"), "--sr", str(folder / "sr"))
    return main(["predict", str(run.out), *given, *more])


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "out.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def items(report: Dataset) -> Iterator[Dataset]:
    """All content items below an item."""
    for item in report.get("ContentSequence", ()):
        yield item
        yield from items(item)


def named(report: Dataset, kind: str, start: str = "") -> list[tuple[str, Any]]:
    """Name and value of the content items of a value type."""
    values = {
        "NUM": lambda item: float(item.MeasuredValueSequence[0].NumericValue),
        "CODE": lambda item: item.ConceptCodeSequence[0].CodeMeaning,
        "TEXT": lambda item: item.TextValue,
    }
    found = [item for item in items(report) if item.ValueType == kind]
    pairs = [(item.ConceptNameCodeSequence[0].CodeMeaning, values[kind](item)) for item in found]
    return [(name, value) for name, value in pairs if name.startswith(start)]


def images(report: Dataset) -> list[tuple[str, Any]]:
    """The instances that were evaluated, and their frames."""
    found = [item.ReferencedSOPSequence[0] for item in items(report) if item.ValueType == "IMAGE"]
    return [(one.ReferencedSOPInstanceUID, one.get("ReferencedFrameNumber")) for one in found]


def test_a_report_says_what_the_line_says(run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = changed(tmp_path / "a.dcm", PatientName="Müller^Äsa", SpecificCharacterSet="ISO_IR 100", PatientID="H 17")
    assert predict(run, tmp_path, manifest_of(tmp_path, source)) == 0
    told = capsys.readouterr()
    assert "wrote 1 DICOM report(s)" in told.out and "they name the patients, keep them at this site" in told.out
    (path,) = (tmp_path / "sr").iterdir()
    assert path.name == "line-00002.dcm" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    report, image, (line,) = pydicom.dcmread(path), pydicom.dcmread(source), rows(tmp_path)
    assert report.SOPClassUID == pydicom.uid.ComprehensiveSRStorage
    assert (report.VerificationFlag, report.PreliminaryFlag, report.CompletionFlag) == (
        "UNVERIFIED",
        "PRELIMINARY",
        "COMPLETE",
    )
    for keyword in ("PatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate", "AccessionNumber"):
        assert report.get(keyword, "") == image.get(keyword, ""), keyword
    assert str(report.PatientName) == "Müller^Äsa"
    assert report.SeriesInstanceUID != image.SeriesInstanceUID and report.SOPInstanceUID != image.SOPInstanceUID
    assert images(report) == [(image.SOPInstanceUID, None)]
    numbers = dict(named(report, "NUM"))
    assert numbers == {
        f"Calibrated probability of {name}": pytest.approx(float(line[f"calibrated_{name}"]), abs=1e-6)
        for name in ("clear", "lesion")
    }
    codes = named(report, "CODE")
    assert [value for name, value in codes if name == "Predicted"] == [line["predicted"]]
    assert [value for name, value in codes if name == "Answer that may be true"] == line["set"].split("|")
    flag = [value for name, value in codes if name == "A person must look at it"]
    assert flag == (line["why"].split("; ") if line["flag"] == "yes" else ["no"])
    texts = [value for _, value in named(report, "TEXT")]
    about = open_model(run.out).about
    assert about.shared_digest in texts and f"plan {about.plan_digest}" in texts
    assert any(text.startswith("AI result, not verified") for text in texts)
    assert report.SeriesDescription == "AI result, not verified"


def test_reports_of_a_series_and_of_frames_name_what_was_read(run: fg.Run, tmp_path: Path) -> None:
    series = tmp_path / "series"
    series.mkdir()
    uid = "1.2.826.0.1.3680043.8.498.{}"
    for number in range(3):
        place = [0, 0, 5.0 * number]
        changed(series / f"{number}.dcm", SOPInstanceUID=uid.format(number), ImagePositionPatient=place)
    frames = Path(str(get_testdata_file("emri_small.dcm")))
    assert predict(run, tmp_path, manifest_of(tmp_path, series, frames)) == 0
    found = {path.name: images(pydicom.dcmread(path)) for path in sorted((tmp_path / "sr").iterdir())}
    assert [found[f"line-00002-row-{number}.dcm"] for number in range(3)] == [
        [(uid.format(number), None)] for number in range(3)
    ]
    whole = pydicom.dcmread(frames, stop_before_pixels=True)
    assert [found[f"line-00003-row-{number}.dcm"] for number in range(10)] == [
        [(whole.SOPInstanceUID, number + 1)] for number in range(10)
    ]


def test_a_line_that_is_no_dicom_file_is_named_by_its_number_before_anything(
    run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture, text = tmp_path / "Schmidt.png", tmp_path / "Meyer"
    picture.write_bytes(b"\x89PNG")
    text.write_text("x" * 200)
    assert predict(run, tmp_path, manifest_of(tmp_path, changed(tmp_path / "a.dcm"), picture, text)) == 2
    said = capsys.readouterr().err
    assert "--sr: a DICOM report refers to DICOM images; no DICOM file: line 3, 4 of the manifest" in said
    assert "Schmidt" not in said and "Meyer" not in said
    assert not (tmp_path / "sr").exists() and not (tmp_path / "out.csv").exists()


def test_a_header_of_which_no_report_can_be_made_is_named_by_its_line_and_quoted_by_nobody(
    run: fg.Run, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    files = (
        changed(tmp_path / "a.dcm", StudyInstanceUID=None),
        changed(tmp_path / "b.dcm", SOPClassUID="1.2.3", PatientName="Schmidt^Eva"),
        tmp_path / "missing.dcm",
        changed(tmp_path / "c.dcm", PatientName="Meyer^Jan", PatientID="MRN-4711"),
        changed(tmp_path / "d.dcm", StudyInstanceUID=None, InstanceNumber=9),
    )
    assert predict(run, tmp_path, manifest_of(tmp_path, *files)) == 1
    told = capfd.readouterr()
    assert "no report of 2 lines (2, 6): its header has no StudyInstanceUID, by which a report refers to it" in told.out
    assert "no report of line 3: a report can't be made of its header (KeyError)" in told.out
    assert [line["reason"] for line in rows(tmp_path)] == ["", "", "missing", "", ""]
    assert [path.name for path in (tmp_path / "sr").iterdir()] == ["line-00005.dcm"]
    for word in ("Schmidt", "Meyer", "MRN-4711"):
        assert word not in told.out + told.err + caplog.text
    source = pydicom.dcmread(files[3])
    assert source.SOPInstanceUID not in told.out + told.err + caplog.text


def test_what_is_there_is_not_mixed(run: fg.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "sr").mkdir()
    (tmp_path / "sr" / "other").touch()
    manifest = manifest_of(tmp_path, changed(tmp_path / "a.dcm"))
    assert predict(run, tmp_path, manifest) == 2
    assert f"--sr {tmp_path / 'sr'} is not empty; name another folder, or add --force" in capsys.readouterr().err
    assert predict(run, tmp_path, manifest, "--force") == 0


def test_without_highdicom_it_is_said_what_to_install(
    run: fg.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "highdicom" else there(name))
    assert predict(run, tmp_path, manifest_of(tmp_path, changed(tmp_path / "a.dcm"))) == 2
    assert "--sr needs highdicom: pip install 'fedgraft[dicom-sr]', or leave out --sr" in capsys.readouterr().err
