"""What is written down of cases that can't be used: names that mean nothing elsewhere, and reasons; never a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.pseudonyms import Pseudonyms
from fedgraft.client.cohort.quarantine import FILE, REASONS, number_of, write_quarantine

CASES = [Case(f"/films/{number}.dcm", "x", f"patient {number}") for number in range(5)]
STRANGE = [
    "Müller^Änne",
    "a\nb",
    '"}{"',
    "../../etc",
    "\x00",
    "患者",
    "\udcff",
    "",
    " ",
    "=1+1",
    "case-0000000000",
    "x" * 500,
]


def verdicts(*reasons: str) -> np.ndarray[Any, np.dtype[np.uint8]]:
    return np.array([number_of(reason) if reason else 0 for reason in reasons], np.uint8)


def lines(state: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (state / FILE).read_text(encoding="utf-8").splitlines()]


def test_each_case_that_can_not_be_used_has_a_line_and_reasons_are_counted_most_first(tmp_path: Path) -> None:
    counts = write_quarantine(tmp_path, CASES, verdicts("blank", "", "damaged", "damaged", ""))
    assert list(counts.items()) == [("damaged", 2), ("blank", 1)]
    name = Pseudonyms(tmp_path).name
    assert lines(tmp_path) == [
        {"case": name(CASES[0]), "reason": "blank"},
        {"case": name(CASES[2]), "reason": "damaged"},
        {"case": name(CASES[3]), "reason": "damaged"},
    ]


def test_every_reason_is_written_by_its_code(tmp_path: Path) -> None:
    cases = [Case(f"/{code}.dcm", "x", "p") for code in REASONS]
    assert write_quarantine(tmp_path, cases, verdicts(*REASONS)) == dict.fromkeys(REASONS, 1)
    assert [line["reason"] for line in lines(tmp_path)] == list(REASONS)


def test_the_file_says_what_holds_now(tmp_path: Path) -> None:
    write_quarantine(tmp_path, CASES, verdicts("blank", "blank", "blank", "", ""))
    write_quarantine(tmp_path, CASES, verdicts("", "", "", "", "missing"))
    assert [line["reason"] for line in lines(tmp_path)] == ["missing"]
    assert write_quarantine(tmp_path, CASES, verdicts("", "", "", "", "")) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["case-names.key"]


def test_a_site_where_all_is_well_gets_no_file(tmp_path: Path) -> None:
    assert write_quarantine(tmp_path / "state", CASES, verdicts("", "", "", "", "")) == {}
    assert write_quarantine(tmp_path / "state", [], verdicts()) == {}
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("word", STRANGE)
def test_nothing_of_a_case_is_in_it_whatever_it_is_called(tmp_path: Path, word: str) -> None:
    """A line has one shape, and is the same for a case of which only the label and the other columns differ."""
    case = Case(f"/films/{word}", word, word, 3, word, "train", (("sex", word),))
    write_quarantine(tmp_path, [case], verdicts("damaged"))
    (line,) = lines(tmp_path)
    text = (tmp_path / FILE).read_text(encoding="utf-8")
    assert len(text) == len('{"case": "case-0123456789", "reason": "damaged"}\n')
    assert line["case"].startswith("case-") and set(line["case"][5:]) <= set("0123456789abcdef")
    assert len(word.strip()) < 2 or word not in text
    assert line["case"] == Pseudonyms(tmp_path).name(Case(case.path, "", word, 3))
