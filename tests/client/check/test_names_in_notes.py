"""The finding on what may name a patient in notes: kinds and counts, never what."""

from __future__ import annotations

import importlib.util

import pytest

from fedgraft.client.check.sections.notes import names as names_section
from fedgraft.client.check.sections.notes.names import names


def test_by_kind_and_count() -> None:
    pytest.importorskip("presidio_analyzer", reason="of the extra deidentify")
    (found,) = names(["Seen by Dr. Harold Finch on 4 May 2020.", "No pain.", "MRN: 00482913, Dr. Finch"])
    assert (found.grade, found.text) == (
        "warning",
        "of 3 notes that were looked at, evenly spread, 2 may name a patient or somebody else, by patterns: date 1, "
        "name 2, record number 1",
    )
    assert found.todo == "see `fedgraft site deidentify`, and read a sample; notes never leave"
    (found,) = names(["No pain."])
    assert (found.grade, "none has what a pattern finds" in found.text) == ("ok", True)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names_section, "find_spec", lambda name: None)
    (found,) = names(["Dr. Finch"])
    assert found.grade == "ok" and found.text.startswith("whether notes name patients was not looked at: presidio-ana")
    assert importlib.util.find_spec is not names_section.find_spec
