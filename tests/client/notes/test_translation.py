"""Translators that a site names."""

from __future__ import annotations

import sys
from shutil import which

import pytest

from fedgraft.client.notes.marked import marked
from fedgraft.client.notes.translation import APERTIUM, Programs, named, remembered, translated
from fedgraft.common.errors import DataError

UPPER = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().upper())")
LOWER = (sys.executable, "-c", "import sys; sys.stdout.write(sys.stdin.read().lower())")
FIRST = (sys.executable, "-c", "print(input())")
FAILS = (sys.executable, "-c", "raise SystemExit(3)")


def test_two_programs() -> None:
    assert Programs(UPPER, LOWER)(["No Mass.", "A\nCyst  here"]) == ["no mass.", "a cyst here"]


def test_programs_that_fail_are_named_and_no_note_is_quoted() -> None:
    with pytest.raises(
        DataError, match="was given 2 sentences and wrote 1, exit code 0; its words are not shown"
    ) as told:
        Programs(FIRST, LOWER)(["Mr Secret", "two"])
    assert "Secret" not in str(told.value)
    with pytest.raises(DataError, match="exit code 3"):
        Programs(UPPER, FAILS)(["one"])
    with pytest.raises(DataError, match=r"the translator's program no-such-thing is not installed \(Debian"):
        Programs(("no-such-thing",), LOWER)(["one"])


def test_a_callable_by_its_path() -> None:
    assert named("apertium") == Programs(*APERTIUM)
    assert named("copy:copy") is __import__("copy").copy
    for path in ("no_such_package:there", "copy:no_such", "copy", "copy:__doc__", ":", ""):
        with pytest.raises(DataError, match=r"is no translator: write `apertium`, or package\.module:function of one"):
            named(path)


def test_as_many_texts_must_come_back() -> None:
    with pytest.raises(DataError, match="was given 2 sentences and did not give as many texts back"):
        translated(lambda sentences: sentences[:1], ["a", "b"])
    with pytest.raises(DataError, match="did not give as many"):
        remembered(lambda sentences: [1])(["a"])  # type: ignore[list-item]


@pytest.mark.skipif(which("apertium") is None, reason="Debian's apertium-eng-spa is not installed")
def test_apertium_turns_a_denial_into_its_contrary() -> None:
    assert Programs()(["No pleural effusion.", "The house is big."]) == ["Any pleural effusion.", "The house is big."]


def test_a_note_beside_its_copy() -> None:
    note, copy = "The big car stops here.", "The car halts here, today."
    assert marked(note, copy) == "The [big ->] car [stops -> halts] here[-> , today]."
    assert marked(note, note) == note
    assert marked("a b", "a") == "a[b ->] " and marked("a", "") == "[a ->] "
