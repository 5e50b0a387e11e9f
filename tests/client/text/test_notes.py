"""Where a note stands, and what can't be one: each of the issue's bad inputs gets a verdict of its own."""

from __future__ import annotations

import base64
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.site.limits import Limits
from fedgraft.client.text.files import NoteFiles
from fedgraft.client.text.notes import NoteReader, words_of
from fedgraft.common.errors import DataError

NOTE = "No pleural effusion. Heart size is normal, and there is no sign of failure in the lungs."


def reader(**given: object) -> NoteReader:
    options: dict[str, object] = {"column": "text", "coding": "plain", "languages": ("en",), "most_characters": 200_000}
    return NoteReader(NoteFiles(), **{**options, **given})  # type: ignore[arg-type]


def in_file(tmp_path: Path, held: bytes) -> Case:
    path = tmp_path / "note.txt"
    path.write_bytes(held)
    return Case(str(path), "a", "p")


def reason(case: Case, **given: object) -> str:
    with pytest.raises(CaseError) as caught:
        reader(**given).note(case)
    return caught.value.reason


def test_a_note_in_a_column_of_the_manifest() -> None:
    case = Case("/x/manifest.csv", "a", "p", 0, columns=(("text", f"{NOTE}\t\u202eOK\r\nEnd\x07"),))
    assert reader().note(case) == f"{NOTE} OK\nEnd"


def test_a_note_in_its_own_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert reader().note(in_file(tmp_path, b"\xef\xbb\xbf" + NOTE.encode())) == NOTE


def test_the_manifest_may_name_files_in_text_file_but_none_outside_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes/1.txt").write_text(NOTE, encoding="utf-8")
    manifest = str(tmp_path / "manifest.csv")
    named = {
        name: Case(manifest, "a", "p", 0, columns=(("text_file", name),)) for name in ("notes/1.txt", "../1.txt", "")
    }
    assert reader().note(named["notes/1.txt"]) == NOTE
    assert reader().note(Case(manifest, "a", "p", 0, columns=(("text_file", str(tmp_path / "notes/1.txt")),))) == NOTE
    assert [reason(named[name]) for name in ("../1.txt", "")] == ["missing", "missing"]


def test_a_table_as_omop_has_it_with_line_breaks_and_one_wrong_byte(tmp_path: Path) -> None:
    """A byte that is no UTF-8 costs its own row, and not the file."""
    path = tmp_path / "NOTE.csv"
    rows = [b'1,7,"' + NOTE.encode() + b'\nEnd"', b"2,8,caf\xe9 au lait", b"3,9,"]
    path.write_bytes(b"note_id,person_id,note_text\n" + b"\n".join(rows) + b"\n")
    cases = [Case(str(path), "a", f"p{row}", row) for row in range(4)]
    assert reader(column="note_text").note(cases[0]) == f"{NOTE}\nEnd"
    assert [reason(case, column="note_text") for case in cases[1:]] == ["encoding", "empty", "no-row"]
    with pytest.raises(DataError, match=r"has the column text not at all; name the column .* input\.column"):
        reader().note(cases[0])


def test_parquet_and_base64_as_fhir_has_attachments(tmp_path: Path) -> None:
    path = tmp_path / "notes.parquet"
    data = [base64.b64encode(NOTE.encode()).decode(), "not base64!", None]
    parquet.write_table(pa.table({"data": data}), path)
    cases = [Case(str(path), "a", f"p{row}", row) for row in range(3)]
    assert reader(column="data", coding="base64").note(cases[0]) == NOTE
    assert [reason(case, column="data", coding="base64") for case in cases[1:]] == ["encoding", "empty"]


def test_a_table_is_not_read_beyond_the_site_s_limit_and_damage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text("text\nfine\n", encoding="utf-8")
    small = NoteReader(NoteFiles(Limits(decoded_bytes=4)), "text", "plain", (), 100)
    with pytest.raises(CaseError, match=r"a table of 10 bytes; limits\.decoded_bytes=4"):
        small.note(Case(str(path), "a", "p", 0))
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no")
    assert reason(Case(str(broken), "a", "p", 0)) == "damaged"
    assert reason(Case(str(tmp_path / "none.csv"), "a", "p", 0)) == "missing"


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        (b"", "empty"),
        (b" \n\t.-- ", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "not-text"),
        (b"\x01\x02\x03\x04 text", "not-text"),
        (NOTE.encode("utf-16"), "encoding"),
        ("Schädel unauffällig".encode("latin-1"), "encoding"),
        (b"ok \xff\xfe", "encoding"),
        (NOTE.encode() * 10_000, "too-long"),
        (b"Heart size normal. " * 10_000, "repetitive"),
        ("لا يوجد انصباب جنبي. حجم القلب طبيعي ولا توجد علامات".encode(), "other-language"),
        (
            b"Die Patientin wurde mit Schmerzen in der linken Brust aufgenommen, das EKG ist nicht auf und die Werte "
            b"sind mit dem Vorbefund gleich, kein Nachweis von einer Blutung, keine Fraktur.",
            "other-language",
        ),
    ],
)
def test_what_is_no_note_has_a_verdict(tmp_path: Path, held: bytes, expected: str) -> None:
    assert reason(in_file(tmp_path, held)) == expected


@pytest.mark.parametrize(
    "held",
    [
        "10+pack-year h/o tobacco use; quit 2 years ago. 6-pack beer/week. No h/o illicit drug use.",
        "NKDA. n/a. n/a. o. a. Lung. Tissue. Block. Number of. Container. Site. Format. frozen. tube.",
        "Feeling \U0001f600\U0001f600 today, \U0001f912 yesterday",
        "Seen by Dr. \u05d9\u05e2\u05e7\u05d1; no acute distress, lungs are clear",
    ],
)
def test_telegraphic_notes_emoji_and_single_words_of_another_script_are_notes(tmp_path: Path, held: str) -> None:
    assert reader().note(in_file(tmp_path, held.encode())) == held


def test_without_languages_any_is_taken(tmp_path: Path) -> None:
    arabic = "لا يوجد انصباب جنبي. حجم القلب طبيعي ولا توجد علامات"
    assert reader(languages=()).note(in_file(tmp_path, arabic.encode())) == arabic


def test_a_file_of_50_mb_is_refused_before_it_is_read(tmp_path: Path) -> None:
    case = in_file(tmp_path, b"")
    with Path(case.path).open("wb") as stream:
        stream.truncate(50_000_000)
    tracemalloc.start()
    assert reason(case) == "too-long"
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_words_are_in_small_letters_without_marks() -> None:
    assert list(words_of("No PE. T2N0, 3/12")) == ["no", "pe", "t2n0", "3", "12"]
