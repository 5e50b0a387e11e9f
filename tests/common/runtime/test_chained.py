"""A chain of lines: any change is found, and named by its line."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.chained import LINK, Chain


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    made = Chain(tmp_path / "folder" / "log.jsonl")
    for number in range(4):
        made.append({"number": number})
    return made


def test_a_line_holds_the_digest_of_itself_behind_the_one_before(chain: Chain) -> None:
    first = hashlib.sha256(b'\n{"number": 0}').hexdigest()
    second = hashlib.sha256(f'{first}\n{{"number": 1}}'.encode()).hexdigest()
    lines = chain.read()
    assert [line[LINK] for line in lines[:2]] == [first, second]
    assert chain.newest() == lines[-1][LINK]
    assert Chain(chain.path.with_name("none")).newest() == ""


def test_each_character_counts(chain: Chain) -> None:
    text = chain.path.read_text()
    for place in range(0, len(text) - 1, 7):
        other = "1" if text[place] != "1" else "2"
        chain.path.write_text(text[:place] + other + text[place + 1 :])
        with pytest.raises(DataError, match=r"was changed: line \d does not follow"):
            chain.read()


@pytest.mark.parametrize(("order", "line"), [((0, 2, 3), 2), ((0, 1, 1, 2, 3), 3), ((1, 0, 2, 3), 1), ((1, 2, 3), 1)])
def test_a_line_removed_added_or_moved_is_named(chain: Chain, order: tuple[int, ...], line: int) -> None:
    lines = chain.path.read_text().splitlines(keepends=True)
    chain.path.write_text("".join(lines[k] for k in order))
    with pytest.raises(DataError, match=f"line {line} does not follow"):
        chain.read()
    with pytest.raises(DataError, match=f"line {line} does not follow"):
        chain.append({"number": 9})


def test_a_line_that_was_cut_off_while_it_was_written_goes_with_the_next(chain: Chain) -> None:
    with chain.path.open("a") as stream:
        stream.write('{"number": 4, "ch')
    chain.append({"number": 5})
    assert [line["number"] for line in chain.read()] == [0, 1, 2, 3, 5]
    assert all(json.loads(line) for line in chain.path.read_text().splitlines())
