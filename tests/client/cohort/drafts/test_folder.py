"""``fedgraft site draft``: lines worked out by hand, what is said, and every message."""

from __future__ import annotations

import csv
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fedgraft.client.cli import main
from fedgraft.client.cohort.drafts.folder import draft_manifest, write_draft
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError

Write = Callable[..., Path]


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)


def lines(folder: Path, *options: str) -> list[list[str]]:
    """What the command writes, beside the folder."""
    out = folder.parent / "manifest.csv"
    assert main(["draft", str(folder), "--out", str(out), *options]) == 0
    with out.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.reader(stream))


@pytest.fixture
def films(write: Write, tmp_path: Path) -> Path:
    folder = tmp_path / "films"
    write(folder / "b" / "IM0001", PatientID="SECRET2", PatientSex="M", PatientAge="071Y", ViewPosition="AP")
    write(folder / "a" / "x.dcm", PatientID="=SECRET1", ViewPosition="PA")
    (folder / "b" / "notes.txt").write_text("SECRET")
    (folder / ".hidden").write_text("SECRET")
    return folder


def test_dicom_files(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(films) == [
        ["path", "label", "patient", "sex", "age", "modality", "scanner", "body_part", "view"],
        ["films/a/x.dcm", "", "'=SECRET1", "", "", "CR", "", "", "PA"],
        ["films/b/IM0001", "", "SECRET2", "M", "71", "CR", "", "", "AP"],
    ]
    said = capsys.readouterr().out
    assert "wrote " in said and "2 lines, 2 patients; it names them: keep it at this site" in said
    assert "2 DICOM files have a line each, and 0 folders that hold one series each" in said
    assert "left out, 1: not-dicom: not a DICOM file" in said
    assert "to fill in: `label` of 2 lines, with a class of the plan" in said and "`patient` of" not in said
    assert "next: fedgraft site init --name NAME --manifest" in said and "fedgraft site check" in said
    assert not any(word in said for word in ("SECRET", "IM0001", "x.dcm"))


def test_an_earlier_draft_in_the_folder_is_no_broken_image(films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draft", str(films), "--out", str(films / "manifest.csv")]) == 0
    (films / "others.csv").write_text("a,b\n1,2\n")
    capsys.readouterr()
    assert main(["draft", str(films), "--out", str(films / "again.csv")]) == 0
    said = capsys.readouterr().out
    assert "left out, 1: a manifest, which is no image" in said
    assert "left out, 2: not-dicom" in said  # notes.txt and others.csv


def test_an_unfilled_draft_is_refused_and_a_filled_one_read(films: Path) -> None:
    lines(films)
    out = films.parent / "manifest.csv"
    with pytest.raises(DataError, match=r"`label` is empty in 2 of 2 lines \(lines 2, 3\); fill in a class"):
        read_manifest(out)
    out.write_text(
        out.read_text(encoding="utf-8-sig").replace(",,'=", ",clear,'=").replace(",,SECRET2", ",ill,SECRET2")
    )
    cases = read_manifest(out)
    assert [(case.patient, case.label, case.column("view")) for case in cases] == [
        ("=SECRET1", "clear", "PA"),
        ("SECRET2", "ill", "AP"),
    ]
    assert cases[0].path == str(films / "a" / "x.dcm")


def test_label_from_a_keyword_or_the_folder(films: Path) -> None:
    assert [line.label for line in draft_manifest(films, "ViewPosition").lines] == ["PA", "AP"]
    assert [line.label for line in draft_manifest(films, "folder").lines] == ["a", "b"]


def test_no_patient_is_left_to_fill_in(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "in" / "1", PatientID=None)
    lines(tmp_path / "in", "--label-from", "Modality")
    assert "to fill in: `patient` of 1 lines, with any name that all cases of a patient" in capsys.readouterr().out


def test_one_series_in_a_folder_is_one_line(write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """a: one CT series; b: two; c: one CT file; d: CR films of one series; e: one series of two patients."""
    folder = tmp_path / "in"
    for number in range(3):
        write(folder / "a" / f"{number}", Modality="CT")
        write(folder / "b" / f"{number}", Modality="CT", SeriesInstanceUID=f"1.{number // 2}")
        write(folder / "d" / f"{number}", Modality="CR")
        write(folder / "e" / f"{number}", Modality="MR", PatientID=f"p{number // 2}")
    write(folder / "c" / "0", Modality="CT")
    written = [line[0] for line in lines(folder, "--label-from", "folder")[1:]]
    assert written == [
        "in/a",
        *(f"in/b/{n}" for n in range(3)),
        "in/c/0",
        *(f"in/{x}/{n}" for x in "de" for n in range(3)),
    ]
    said = capsys.readouterr().out
    assert "10 DICOM files have a line each, and 1 folders that hold one series each" in said
    assert "2 folder(s) hold slices of several series: a line per file; to have a line per series, give each" in said
    assert read_manifest(tmp_path / "manifest.csv")[0].label == "a"


def test_the_folder_itself_as_a_series(write: Write, tmp_path: Path) -> None:
    for number in range(2):
        write(tmp_path / f"{number}", Modality="CT")
    draft = draft_manifest(tmp_path, "Modality")
    write_draft(draft, tmp_path / "manifest.csv")
    assert [case.path for case in read_manifest(tmp_path / "manifest.csv")] == [str(tmp_path)]


def test_one_patient_for_all_is_remarked(write: Write, tmp_path: Path) -> None:
    for name in "ab":
        write(tmp_path / name, PatientID="ANON")
    assert "all lines have one patient: if the files were de-identified" in draft_manifest(tmp_path).remarks[-1]


def test_a_folder_per_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "in"
    for name in ("ill/P1-left.png", "ill/more/P1-right.JPG", "well/P2.tif", "loose.png"):
        picture(folder / name)
    assert lines(folder) == [
        ["path", "label", "patient"],
        ["in/ill/P1-left.png", "ill", "P1-left"],
        ["in/ill/more/P1-right.JPG", "ill", "P1-right"],
        ["in/well/P2.tif", "well", "P2"],
    ]
    said = capsys.readouterr().out
    assert "3 pictures of 2 classes, by their folders' names" in said
    assert "`patient` is a guess, the file's name: two pictures of one patient would lie on two sides" in said
    assert "left out, 1: a picture that lies in no class's folder" in said
    assert "to fill in" not in said and "P1" not in said
    assert len(read_manifest(tmp_path / "manifest.csv")) == 3


@pytest.mark.parametrize(
    ("pattern", "patients"),
    [
        (r"P\d+", ["P1", "P2"]),
        (r"/P(\d+)", ["1", "2"]),
        (r"^(ill)|x", ["ill", ""]),
        (r"(?P<who>..)\.png$", ["P1", "P2"]),
    ],
)
def test_patient_pattern(tmp_path: Path, pattern: str, patients: list[str]) -> None:
    picture(tmp_path / "ill" / "P1.png")
    picture(tmp_path / "well" / "P2.png")
    draft = draft_manifest(tmp_path, patient_pattern=pattern)
    assert [line.patient for line in draft.lines] == patients
    assert not any("guess" in remark for remark in draft.remarks)


def test_patient_pattern_for_dicom_files(films: Path) -> None:
    assert [line.patient for line in draft_manifest(films, patient_pattern="^[^/]+").lines] == ["a", "b"]


def test_pictures_beside_dicom_files_are_left_out(films: Path) -> None:
    picture(films / "a" / "screenshot.png")
    draft = draft_manifest(films)
    assert len(draft.lines) == 2 and draft.left_out["a picture beside DICOM files"] == 1


@pytest.mark.parametrize("name", ["a::b.dcm", "a\nb.dcm", os.fsdecode(b"a\xffb.dcm")])
def test_names_that_a_manifest_can_not_hold(films: Path, name: str) -> None:
    (films / "a" / "x.dcm").rename(films / "a" / name)
    draft = draft_manifest(films)
    assert len(draft.lines) == 1
    assert draft.left_out["a name that a manifest can't hold: a line break, `::`, or not UTF-8"] == 1


def test_an_absolute_path_if_the_manifest_lies_elsewhere(films: Path, tmp_path: Path) -> None:
    write_draft(draft_manifest(films), tmp_path / "new" / "m.csv")
    assert f"{films}/a/x.dcm," in (tmp_path / "new" / "m.csv").read_text()


def test_only_its_owner_reads_it_and_nothing_is_overwritten(films: Path) -> None:
    lines(films)
    out = films.parent / "manifest.csv"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    before = out.read_bytes()
    for call in (
        lambda: main(["draft", str(films), "--out", str(out)]),
        lambda: write_draft(draft_manifest(films), out),
    ):
        with pytest.raises(DataError, match=r"--out .*manifest\.csv exists and is not overwritten; name another file"):
            call()
    assert out.read_bytes() == before


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone is no folder and no file"):
        draft_manifest(tmp_path / "gone")
    with pytest.raises(DataError, match=r"holds no DICOM image, nor pictures in a folder per class \(it is empty\)"):
        draft_manifest(tmp_path)
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"no class's folder\); move the pictures into a folder for each class, or write"
    ):
        draft_manifest(tmp_path / "flat")
    shutil.rmtree(tmp_path / "flat")
    (tmp_path / "SECRET.txt").write_text("SECRET")
    with pytest.raises(DataError, match=r"folder per class \(1 not-dicom: not a DICOM file") as caught:
        draft_manifest(tmp_path)
    assert "SECRET" not in str(caught.value)
    with pytest.raises(DataError, match="--patient-pattern is not a regular expression: "):
        draft_manifest(tmp_path, patient_pattern="(")
    picture(tmp_path / "ill" / "1.png")
    with pytest.raises(DataError, match=r"--label-from ViewPosition has no effect: .* holds no DICOM image"):
        draft_manifest(tmp_path, "ViewPosition")
    with pytest.raises(DataError, match="--label-from PatientName: names a person"):
        draft_manifest(tmp_path, "PatientName")


def test_nothing_of_a_header_is_printed(write: Write, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """pydicom warns of bad values by quoting them."""
    file = write(tmp_path / "in" / "1", PatientID="p", PatientBirthDate="19600101", StudyDate="20200101")
    file.write_bytes(file.read_bytes().replace(b"19600101", b"SECRET!!").replace(b"20200101", b"SECRET??"))
    lines(tmp_path / "in")
    captured = capfd.readouterr()
    assert "SECRET" not in captured.out + captured.err
