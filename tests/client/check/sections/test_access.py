"""`site check` names a manifest or a folder of cases that every account can read."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedgraft.client.check.sections.access import describe_access
from fedgraft.client.cohort.case import Case


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that every account can pass through to, with a manifest and two patients' folders."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    for patient in ("mueller", "huber"):
        (folder / "cases" / patient).mkdir(parents=True)
        (folder / "cases" / patient / "1.dcm").touch()
        (folder / "cases" / patient / "1.dcm").chmod(0o600)
        (folder / "cases" / patient).chmod(0o700)
    (folder / "cases").chmod(0o755)
    (folder / "manifest.csv").touch()
    (folder / "manifest.csv").chmod(0o600)
    yield folder
    shutil.rmtree(folder)


def look(place: Path, *paths: str) -> dict[str, tuple[str, str, str]]:
    cases = [Case(str(place / path), "a", "p") for path in paths]
    section = describe_access(place / "manifest.csv", cases)
    return {found.what: (found.grade, found.text, found.todo) for found in section.findings}


BOTH = ("cases/mueller/1.dcm", "cases/huber/1.dcm")


def test_what_is_closed(place: Path) -> None:
    assert {what: found[0] for what, found in look(place, *BOTH).items()} == {"manifest file": "ok", "case files": "ok"}


def test_an_open_manifest_is_named(place: Path) -> None:
    (place / "manifest.csv").chmod(0o644)
    assert look(place, *BOTH)["manifest file"] == (
        "warning",
        f"{place / 'manifest.csv'} can be read by every account of this machine",
        "run `chmod 600` on it, or `chmod o-rwx` on a folder above it",
    )


def test_open_folders_of_cases_are_named_by_their_first_line(place: Path) -> None:
    """A folder can be called after a patient."""
    (place / "cases" / "huber").chmod(0o755)
    assert look(place, *BOTH, *BOTH)["case files"] == (
        "warning",
        "1 of 2 folders of cases can be read by every account of this machine: see the files of line 3",
        "run `chmod -R o-rwx` on them, or `chmod o-rwx` on a folder above",
    )
    (place / "cases" / "mueller").chmod(0o755)
    assert look(place, *BOTH, *BOTH)["case files"][1].endswith(": see the files of lines 2, 3")
    (place / "cases").chmod(0o700)
    assert look(place, *BOTH)["case files"][0] == "ok", "nobody gets that far"


def test_a_file_that_can_be_read_in_a_folder_that_can_not_be_listed(place: Path) -> None:
    (place / "cases" / "huber").chmod(0o711)
    (place / "cases" / "huber" / "1.dcm").chmod(0o644)
    assert "1 of 2 folders" in look(place, *BOTH)["case files"][1]


def test_arrays_of_one_file(place: Path) -> None:
    (place / "scans.npz").touch()
    (place / "scans.npz").chmod(0o644)
    found = look(place, "scans.npz::train", "scans.npz::test")["case files"]
    assert found[1] == "1 of 1 folder of cases can be read by every account of this machine: see the files of line 2"
