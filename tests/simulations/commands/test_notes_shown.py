"""``fedgraft augment --show --notes`` as it is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedgraft.client.notes.samples import SAMPLES
from fedgraft.common.errors import DataError, PlanError
from fedgraft.simulations.commands.augment import main


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A translator of one's own, installed here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    Path("mine_there_and_back.py").write_text(
        "def go(texts):\n    return [text.replace('No', 'Any').replace('big', 'large') for text in texts]\n"
    )


def test_a_table_beside_its_copies(capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes.csv").write_text('id,said\n1,"No pain.\nA big house stands here."\n2,"Old, and quiet."\n')
    asked = ["--show", "--notes", "notes.csv", "--column", "said", "--copies", "1"]
    assert main([*asked, "--translator", "mine_there_and_back:go"]) == 0
    assert capsys.readouterr().out == (
        "note 1\n  No pain.\nA big house stands here.\nby translate, 1 of 2 sentences\n"
        "  No pain.\nA [big -> large] house stands here.\n\n"
        "note 2\n  Old, and quiet.\n1 more would be equal to the note or to another copy\n\n"
        "1 copies of 2 notes\n  translate: 2 sentences changed; thrown away: negation 1\n"
    )
    assert main([*asked, "--translator", "mine_there_and_back:go", "--no-guard"]) == 0
    said = capsys.readouterr().out
    assert "[No -> Any] pain." in said and "no guard: some may say something else" in said


def test_the_notes_that_come_with_fedgraft(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "--notes=samples", "--swap", "0.1", "--copies", "2", "--cases", "2"]) == 0
    said = capsys.readouterr().out
    assert SAMPLES[0] in said and SAMPLES[2] in said and SAMPLES[1] not in said
    assert "by swap, " in said and " -> " in said


def test_paragraphs_of_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    Path("notes.txt").write_text("One big house.\n\n\nAnother note\nof two lines.\n")
    assert main(["--show", "--notes", "notes.txt", "--delete", "0.4", "--seed", "3"]) == 0
    said = capsys.readouterr().out
    assert "note 2\n  Another" in said
    assert "note 3" not in said


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (["--notes", "gone.csv", "--swap", "0.1"], DataError, r"gone\.csv can't be read \(FileNotFoundError\)"),
        (["--notes", "bad.csv", "--swap", "0.1"], DataError, r"bad\.csv is no readable table, CSV \(UTF-8\) or Parq"),
        (["--notes", "bad.txt", "--swap", "0.1"], DataError, r"bad\.txt is no readable text in UTF-8"),
        (["--notes", "empty.txt", "--swap", "0.1"], DataError, r"empty\.txt has no notes"),
        (["--notes", "other.csv", "--swap", "0.1"], DataError, r"has no column text, or two; name .*: --column"),
        (["--notes", "samples"], PlanError, "set synonyms, swap, delete or translate"),
        (["--notes", "samples", "--synonyms", "0.1", "--wordnet", "."], DataError, r"is no folder of WordNet 3\.0"),
        (["--notes", "samples", "--swap", "0.1", "--cases", "0"], PlanError, r"--cases 0 must be 1 or more"),
    ],
)
def test_what_is_refused(arguments: list[str], error: type[Exception], said: str) -> None:
    Path("bad.csv").write_bytes(b"text\n\xff\xfe\n")
    Path("bad.txt").write_bytes(b"\xff\xfe")
    Path("empty.txt").write_text("\n\n")
    Path("other.csv").write_text("note\nA\n")
    with pytest.raises(error, match=said):
        main(["--show", *arguments])
