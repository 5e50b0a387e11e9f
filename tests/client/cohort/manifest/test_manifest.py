"""The manifest: what is read, and every message."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest import csv_file, lines
from fedgraft.client.cohort.manifest.manifest import read_manifest
from fedgraft.common.errors import DataError


def manifest(folder: Path, text: str | bytes) -> Path:
    path = folder / "manifest.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
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


def test_columns_in_any_order_and_the_others_kept(tmp_path: Path) -> None:
    path = manifest(tmp_path, "\ufeffpatient,age,label, sex ,path\r\np1, 63 ,clear,,1.png\r\n")
    (case,) = read_manifest(path)
    assert case == Case(f"{tmp_path}/1.png", "clear", "p1", columns=(("age", "63"), ("sex", "")))
    assert (case.column("age"), case.column("sex"), case.column("site")) == ("63", "", None)


def test_multilabel_and_survival_need_no_label(tmp_path: Path) -> None:
    (case,) = read_manifest(manifest(tmp_path, "path,patient,effusion,mass\n1.png,p1,1,\n"))
    assert case == Case(f"{tmp_path}/1.png", "", "p1", columns=(("effusion", "1"), ("mass", "")))
    (case,) = read_manifest(manifest(tmp_path, "path,row,patient,time,event\nt.csv,0,p1,12.5,0\n"))
    assert case == Case(f"{tmp_path}/t.csv", "", "p1", row=0, columns=(("time", "12.5"), ("event", "0")))


def test_without_path_the_manifest_is_the_table(tmp_path: Path) -> None:
    path = manifest(tmp_path, "patient,label,age\np1,ill,63\np2,well,-1\n\n")
    itself = str(path.resolve())
    assert read_manifest(path) == (
        Case(itself, "ill", "p1", row=0, columns=(("age", "63"),)),
        Case(itself, "well", "p2", row=1, columns=(("age", "-1"),)),
    )


@pytest.mark.parametrize("mark", [";", "\t"])
def test_semicolons_and_tabs(tmp_path: Path, mark: str) -> None:
    text = "path,label,patient,note\n1.png,clear,p1,a\n".replace(",", mark)
    assert read_manifest(manifest(tmp_path, text))[0].column("note") == "a"


def test_spaces_do_not_make_another_patient(tmp_path: Path) -> None:
    cases = read_manifest(manifest(tmp_path, "path,label,patient\n1.png,a ,p1 \n2.png, a,p1\n"))
    assert [(case.label, case.patient) for case in cases] == [("a", "p1"), ("a", "p1")]


PATHS = [
    ("x/../scans.npz::images", "{0}/scans.npz::images"),
    ("./1.png", "{0}/1.png"),
    (".", "{0}"),
    ("..data/1.png", "{0}/..data/1.png"),
    ("/elsewhere/../1.png", "/1.png"),
    (" 1.png", "{0}/ 1.png"),
]


@pytest.mark.parametrize(("written", "read"), PATHS)
def test_paths(tmp_path: Path, written: str, read: str) -> None:
    (case,) = read_manifest(manifest(tmp_path, f"path,label,patient\n{written},a,p\n"))
    assert case.path == read.format(tmp_path)


def test_no_file(tmp_path: Path) -> None:
    message = r"manifest .*m\.csv does not exist; site\.yaml's `manifest` must name a CSV or Parquet file"
    for path in (tmp_path / "m.csv", tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            read_manifest(path)
    with pytest.raises(DataError, match=message):
        read_manifest(tmp_path / "m.csv")


HEADER = "path,row,label,patient,split\n"
GROUPED = "path,label,patient,group,split\n"
LONG = "x" * 256
WIDE = ",".join(f"c{number}" for number in range(5000))
ERRORS = [
    ("", "is empty; its first line must name the columns"),
    ("\n1.png,a,p\n", "is empty; its first line must name the columns"),
    ("path,label\n1.png,SECRET\n", r"lacks the column `patient` in its first line$"),
    ("Path,Label,Patient\n1.png,SECRET,p\n", r"lacks the column `patient` .* \(write label, path, patient in small"),
    ("row,label,patient\n1,a,SECRET\n", "has a column `row` but no `path`; name the file, or rename the column"),
    ("path,label,patient,\n1.png,a,SECRET,\n", "column 4 has no name in the first line; name it, or delete it"),
    ("path,SECRET,patient,SECRET\n", "columns 2 and 4 have the same name; rename one"),
    (HEADER, "lists no case"),
    (f"{HEADER}\n\n", "lists no case"),
    (f"{HEADER},,a,SECRET,\n", r"`path` is empty in 1 of 1 lines \(line 2\); name the case's file"),
    (f"{HEADER}1.png,,a,p,\n2.png,,,SECRET,\n", r"`label` is empty in 1 of 2 lines \(line 3\); fill in a class of the"),
    (f"{HEADER}1.png,,a,,\n2.png,,a, ,\n", r"`patient` is empty in 2 of 2 lines \(lines 2, 3\); fill in any name"),
    (
        HEADER + "SECRET,,,p,\n" * 12,
        r"`label` is empty in 12 of 12 lines \(lines 2, 3, .*, 10, 11, \.\.\.\)",
    ),
    (f"{HEADER}1.png,,,,\n", r"`label` is empty .*\. `patient` is empty"),
    (f"{HEADER}1.png,,SECRET\n", "line 2 has 3 cells, but the first line 5"),
    (f"{HEADER}1.png,,a,SECRET,,,\n", "line 2 has 7 cells, but the first line 5"),
    (f"{HEADER}1.png,,a,p,\n\n2.png,,a,SECRET,\n", "line 3 is empty; delete it"),
    (f"{HEADER}1.png,,a,SECRET,dev\n", "line 2: `split` must be one of train, val, test"),
    (f"{HEADER}1.npz::x,-1,a,SECRET,\n", "line 2: `row` must be a whole number, 0 or more"),
    (f"{HEADER}1.npz::x,1.5,a,SECRET,\n", "line 2: `row` must be a whole number, 0 or more"),
    (f"{HEADER}1.npz::x,²,a,SECRET,\n", "line 2: `row` must be a whole number, 0 or more"),
    (f"{HEADER}1.png,,a,p1,val\n2.png,,a,SECRET,\n", "names a split for 1 of 2 cases; name all or none"),
    (f"{HEADER}../SECRET.png,,a,p,\n", "line 2: `path` leaves the manifest's folder; write it absolute if it must"),
    (f"{HEADER}a/../../SECRET.png,,a,p,\n", "line 2: `path` leaves the manifest's folder"),
    (f"{HEADER}::SECRET,,a,p,\n", "line 2: `path` names no file before `::`"),
    (f"{HEADER}{LONG},,a,SECRET,\n", "line 2: `path` is longer than a file's name can be"),
    (f"{HEADER}{'ab/' * 1500},,a,SECRET,\n", "line 2: `path` is longer than a file's name can be"),
    (f"{HEADER}1.png,,a,p,\n./1.png,,a,p,\n", "lines 2 and 3 name the same case; delete one"),
    (f"{HEADER}ct,0,a,p,\nct,,a,p,\n", "line 3 names a whole file and line 2 a `row` of it; keep one"),
    (
        f"{HEADER}1.png,,a,p,\n1.png,,SECRET,q,\n",
        "lines 2 and 3 name the same case, with different labels and patients; correct or delete one",
    ),
    (
        f"{HEADER}1,0,a,p,\n1,1,a,p,\n1,0,a,SECRET,\n",
        "lines 2 and 4 name the same case, with different patients; correct or delete one",
    ),
    (
        f"{HEADER}1,,a,SECRET,val\n2,,a,q,val\n3,,a,SECRET,test\n",
        r"1 patient\(s\) have cases on two sides",
    ),
    (
        f"{HEADER}1,,a,SECRET,val\n2,,a,q,val\n3,,a,SECRET,test\n",
        r"\(lines 2, 4\); name one side for all cases",
    ),
    (
        f"{GROUPED}1,a,p,SECRET,val\n2,a,q,,val\n3,a,r,SECRET,test\n",
        r"1 group\(s\) have .* \(lines 2, 4\)",
    ),
    (
        f"{WIDE}\n",
        "has 5000 columns; 4096 are the most. Put features into a file of their own, named by",
    ),
    (f"{HEADER}{'SECRET' * 200_000}\n", "line 2 is longer than 1000000 bytes. Put features into a file of their own"),
    (f'{HEADER}"{"SECRET" * 50_000}",,a,p,\n', "line 2: .* or a cell of more than 131072 characters"),
    (
        f'{HEADER}1.png,,a,"SECRET,\n2.png,,a,p,\n',
        "line 2: a quote is not closed on its line; close it, or ta",
    ),
    (f'{HEADER}1.png,,a,"SECRET,', "line 2: a quote is not closed on its line"),
    (f'{HEADER}1.png,,a,"SECRET"x,\n', "line 2: text after a closing quote"),
    (f"{HEADER}1.png,,a,SECRET,\r2.png,,a,p,\n", "line 2: .* a line end that is neither LF nor CR LF"),
    (
        f"{HEADER}1.png,,a\0,SECRET,\n",
        r"line 2 holds a NUL character \(is it UTF-16 text\?\); save it as CSV",
    ),
    (HEADER.encode("utf-16"), "is UTF-16 text; save it as CSV"),
    (HEADER.encode("utf-16-be"), r"line 1 holds a NUL character \(is it UTF-16 text\?\); save"),
    (
        f"{HEADER}ä.png,,a,SECRET,\n".encode("latin-1"),
        r"line 2 is not UTF-8 text \(is it Latin-1 or Windows",
    ),
    (b"PK\x03\x04SECRET", "is an Excel workbook or another ZIP archive; save it as CSV"),
    (b"\xd0\xcf\x11\xe0SECRET", "is an old Excel workbook; save it as CSV"),
    (b"\x1f\x8b\x08\x00SECRET", "is compressed by gzip; save it as CSV"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_errors_name_the_line_and_no_content(tmp_path: Path, text: str | bytes, message: str) -> None:
    path = manifest(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        read_manifest(path)
    assert str(path) in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_folder_named_with_two_colons(tmp_path: Path) -> None:
    (tmp_path / "a::b").mkdir()
    with pytest.raises(DataError, match="its folder has `::` in its name, which stands before an array's name"):
        read_manifest(manifest(tmp_path / "a::b", f"{HEADER}1.png,,a,p,\n"))


def test_a_file_that_can_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("SECRET")

    path = manifest(tmp_path, HEADER)
    monkeypatch.setattr(Path, "open", refuse)  # root may read everything
    with pytest.raises(DataError, match=r"can't be read \(PermissionError\)"):
        read_manifest(path)


def test_memory_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line takes 350 bytes, 24 for its cells, 1 for the patient and twice a path's string: about 490."""
    monkeypatch.setattr(lines, "HELD_BYTES", 2_000)
    text = "path,label,patient\n" + "".join(f"{number}.png,a,p\n" for number in range(5))
    with pytest.raises(DataError, match="line 6: the lines up to here take more than 2000 bytes of memory"):
        read_manifest(manifest(tmp_path, text))


def test_cells_that_come_back_are_held_once(tmp_path: Path) -> None:
    cases = read_manifest(manifest(tmp_path, "path,label,patient,sex\n1,ab,p,F\n2,ab,q,F\n"))
    assert cases[0].label is cases[1].label and cases[0].columns[0] is cases[1].columns[0]


def test_what_the_messages_promise() -> None:
    assert (csv_file.LINE_BYTES, csv_file.COLUMNS) == (1_000_000, 4_096)
