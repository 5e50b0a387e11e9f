"""``fedgraft site deidentify`` as it is typed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fedgraft.client.cli import main
from fedgraft.client.site.first_file import first_file
from fedgraft.common.errors import DataError, SiteFileError

from ...installed import needs

pytestmark = needs("presidio_analyzer", "deidentify")

TABLE = 'patient,text\np1,"Dr. Harold Finch came.\nCall 212-555-0187."\np2,"No pain, ""none""."\np3,MRN: 00482913\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("notes.csv").write_text(TABLE)


def test_it_counts_and_never_quotes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deidentify", "notes.csv"]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[:4] == [
        "3 notes, 2 with at least one finding",
        "  name: 1 in 1 notes",
        "  record number: 1 in 1 notes",
        "  telephone: 1 in 1 notes",
    ]
    assert "an assistant, and no guarantee" in said
    assert not any(word in said for word in ("Finch", "0187", "00482913"))
    assert Path("notes.csv").read_text() == TABLE, "the original stays"
    assert [path.name for path in Path().iterdir()] == ["notes.csv"]


def test_a_copy_is_written_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deidentify", "notes.csv", "--out", "copy.csv", "--pattern", "patient=p[0-9]"]) == 0
    assert "wrote copy.csv, readable by this account only" in capsys.readouterr().out
    with Path("copy.csv").open(newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["patient", "text"],
            ["p1", "[NAME] came.\nCall [TELEPHONE]."],
            ["p2", 'No pain, "none".'],
            ["p3", "MRN: [RECORD NUMBER]"],
        ]
    assert Path("copy.csv").stat().st_mode & 0o777 == 0o600
    assert Path("notes.csv").read_text() == TABLE


def test_other_kinds_of_files() -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"n": [1, 2], "text": ["Mr. Pellegrino", None]}), "notes.parquet")
    assert main(["deidentify", "notes.parquet", "--out", "copy.parquet"]) == 0
    assert parquet.read_table("copy.parquet").to_pydict() == {"n": [1, 2], "text": ["[NAME]", ""]}
    Path("notes.txt").write_text("Seen by Dr. Finch.\n\nNo pain.\n")
    assert main(["deidentify", "notes.txt", "--out", "copy.txt"]) == 0
    assert Path("copy.txt").read_text() == "Seen by [NAME].\n\nNo pain."


def test_the_site_s_manifest_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    Path("site.yaml").write_text(first_file("north", Path("notes.csv").resolve()))
    assert main(["deidentify"]) == 0
    assert "3 notes, 2 with" in capsys.readouterr().out
    with pytest.raises(SiteFileError):
        main(["deidentify", "--site", "gone.yaml"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["gone.csv"], r"gone\.csv can't be read \(FileNotFoundError\)"),
        (["notes.csv", "--column", "note"], "notes.csv has no column note, or two; name the column with the notes"),
        (["notes.csv", "--out", "notes.csv"], r"--out notes\.csv exists and is not overwritten; name another file"),
        (["notes.csv", "--out", "copy.txt"], r"--out copy\.txt: a table is copied to a table \(\.csv, \.tsv, \.parq"),
        (["notes.csv", "--pattern", "bed"], "--pattern bed must be KIND=REGEX, for instance 'record number="),
        (["notes.csv", "--pattern", "bed=("], r"--pattern bed=\( is no regular expression"),
    ],
)
def test_what_is_refused(arguments: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        main(["deidentify", *arguments])
    assert not Path("copy.txt").exists()
