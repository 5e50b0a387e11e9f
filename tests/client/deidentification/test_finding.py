"""What is found of identifiers that were planted, and what of sentences that have none."""

from __future__ import annotations

import re
import socket
from collections import Counter
from pathlib import Path

import pytest

from fedgraft.client.deidentification.finding import KINDS, Counts, Finder, Found, counted, replaced
from fedgraft.common.errors import DataError

from ...installed import needs

pytestmark = needs("presidio_analyzer", "deidentify")

PLANTED = re.compile(r"\{([^|{}]+)\|([^{}]+)\}")
HERE = Path(__file__).parent
LINES = [line for line in (HERE / "planted.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder()


def planted(line: str) -> tuple[str, list[Found]]:
    """The plain sentence, and the places of what was planted."""
    found, text, done = [], "", 0
    for one in PLANTED.finditer(line):
        text += line[done : one.start()]
        found.append(Found(one.group(1), len(text), len(text) + len(one.group(2))))
        text += one.group(2)
        done = one.end()
    return text + line[done:], found


def covered(one: Found, found: tuple[Found, ...], text: str) -> bool:
    """Whether every letter and digit of it is in something found, whatever it was called."""
    inside = {place for other in found for place in range(other.start, other.end)}
    return all(place in inside for place in range(one.start, one.end) if text[place].isalnum())


def test_recall_on_planted_identifiers(finder: Finder, capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of docs/text-augmentation.md, printed. The patterns came first, and were not changed for the list."""
    all_of, hit = Counter[str](), Counter[str]()
    for line in LINES:
        text, those = planted(line)
        found = finder.find(text)
        all_of.update(one.kind for one in those)
        hit.update(one.kind for one in those if covered(one, found, text))
    with capsys.disabled():
        print("\n" + "\n".join(f"{kind}: {hit[kind]} of {all_of[kind]}" for kind in sorted(all_of)))
    meant = Counter({kind: count for kind, count in all_of.items() if kind != "hard"})
    assert set(meant) == set(KINDS)
    assert meant.total() == 87 and all_of["hard"] == 17
    assert (hit - Counter({"hard": hit["hard"]})).total() >= 84
    assert all(hit[kind] >= 0.75 * count for kind, count in meant.items())
    assert hit["hard"] <= 4, "what has no pattern is not found"


def test_few_findings_where_nothing_was_planted(finder: Finder) -> None:
    """Of 200 sentences (tests/client/notes) only the one with a date."""
    lines = (HERE.parent / "notes" / "sentences.txt").read_text(encoding="utf-8").splitlines()
    plain = [re.sub(r"[\[\]]", "", line) for line in lines if not line.startswith("#")]
    found = {line: finder.find(line) for line in plain}
    found_in = [line for line, those in found.items() if those]
    assert found_in == ["We saw him on 12/04/2019 and began a diet with a lot of fruit."]


def test_nothing_is_asked_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    found = Finder().find("Mail a@example.org, see https://example.org, call (415) 555-0132.")
    assert [one.kind for one in found] == ["mail", "web address", "telephone"]


def test_the_longest_counts_and_is_replaced(finder: Finder) -> None:
    text = "Dr. May May saw her on 4 May 2020."
    found = finder.find(text)
    assert [(one.kind, text[one.start : one.end]) for one in found] == [("name", "Dr. May May"), ("date", "4 May 2020")]
    assert replaced(text, found) == "[NAME] saw her on [DATE]."
    assert replaced("none", ()) == "none"


def test_counts() -> None:
    each = [[Found("name", 0, 2), Found("name", 3, 5), Found("date", 6, 8)], [], [Found("name", 0, 1)]]
    assert counted(each) == Counts(Counter(name=3, date=1), Counter(name=2, date=1), 2, 3)


def test_a_site_s_own_patterns() -> None:
    finder = Finder({"record number": [r"\bH\d{7}\b"], "bed": [r"\bbed \d+\b"]})
    text = "In bed 12, wristband H1234567."
    assert replaced(text, finder.find(text)) == "In [BED], wristband [RECORD NUMBER]."
    with pytest.raises(DataError, match=r"--pattern bed=\( is no regular expression: missing \)"):
        Finder({"bed": ["("]})
    with pytest.raises(DataError, match=r"--pattern bed=x\* matches an empty text"):
        Finder({"bed": ["x*"]})
