"""The manifest: what is read, and every message."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.manifest import Case, read_manifest, write_manifest
from fedgraft.common.errors import DataError


def manifest(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_column(tmp_path: Path) -> None:
    path = manifest(
        tmp_path,
        "path,row,label,patient,group,split\n"
        "a/1.dcm,,clear,p1,,train\n"
        '"b, c.png",,lesion,p2,g7,val\n'
        f"{tmp_path}/scans.npz::images,12,clear,p3,,test\n",
    )
    assert read_manifest(path) == (
        Case(f"{tmp_path}/a/1.dcm", "clear", "p1", split="train"),
        Case(f"{tmp_path}/b, c.png", "lesion", "p2", group="g7", split="val"),
        Case(f"{tmp_path}/scans.npz::images", "clear", "p3", row=12, split="test"),
    )


def test_required_columns_in_any_order_with_more_beside(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufeffpatient,age,label,path\np1,63,clear,1.png\n")
    assert read_manifest(path) == (Case(f"{tmp_path}/1.png", "clear", "p1"),)


def test_a_relative_npz_keeps_its_array(tmp_path: Path) -> None:
    path = manifest(tmp_path, "path,row,label,patient\nx/../scans.npz::images,0,clear,p1\n")
    assert read_manifest(path)[0].path == f"{tmp_path}/scans.npz::images"


def test_unit_is_the_group_or_else_the_patient() -> None:
    assert Case("/x", "a", "p").unit == "p"
    assert Case("/x", "a", "p", group="g").unit == "g"


def test_written_and_read_back(tmp_path: Path) -> None:
    cases = (
        Case("/data/scans.npz::images", "a", "p,1", row=0),
        Case("/data/b.png", 'say "b"', "p2", group="g"),
        Case("/data/ä.png", "a", "p3"),
    )
    write_manifest(tmp_path / "new" / "folder" / "m.csv", cases)
    assert read_manifest(tmp_path / "new" / "folder" / "m.csv") == cases


def test_no_file(tmp_path: Path) -> None:
    message = r"manifest .*m\.csv does not exist; site\.yaml's `manifest` must name a CSV file"
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.csv")


HEADER = "path,row,label,patient,split\n"
ERRORS = [
    ("", r"lacks the column\(s\) path, label, patient in its first line"),
    ("path,label\n1.png,a\n", r"lacks the column\(s\) patient in its first line"),
    (HEADER, "lists no case"),
    (f"{HEADER},,a,SECRET,\n", "line 2: `path` is empty"),
    (f"{HEADER}1.png,,a,p,\n2.png,,,SECRET,\n", "line 3: `label` is empty"),
    (f"{HEADER}1.png,,a,,\n", "line 2: `patient` is empty"),
    (f"{HEADER}1.png,,a\n", "line 2: `patient` is empty"),
    (f"{HEADER}1.png,,a,SECRET,dev\n", "line 2: `split` must be one of train, val, test"),
    (f"{HEADER}1.npz::x,-1,a,SECRET,\n", "line 2: `row` must be a whole number, 0 or more"),
    (f"{HEADER}1.npz::x,1.5,a,SECRET,\n", "line 2: `row` must be a whole number, 0 or more"),
    (f"{HEADER}1.png,,a,p1,val\n2.png,,a,p2,\n", "names a split for 1 of 2 cases; name all or none"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_errors_name_the_line_and_no_content(tmp_path: Path, text: str, message: str) -> None:
    path = manifest(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    assert "SECRET" not in str(caught.value)
