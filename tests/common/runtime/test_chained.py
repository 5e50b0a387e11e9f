"""A chain of lines: any change is found, and named by its line; adding to it is cheap and survives a power cut."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import random
from pathlib import Path

import pytest

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.chained import LINK, NUMBER, Chain, Head, content_of


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    made = Chain(tmp_path / "folder" / "log.jsonl", durable=False)
    for number in range(4):
        made.append({"number": number})
    return made


def numbers(chain: Chain) -> list[int]:
    return [line["number"] for line in chain.read()]


def test_a_line_holds_its_number_and_the_digest_of_itself_behind_the_one_before(chain: Chain) -> None:
    first = hashlib.sha256(b'\n{"line": 1, "number": 0}').hexdigest()
    second = hashlib.sha256(f'{first}\n{{"line": 2, "number": 1}}'.encode()).hexdigest()
    lines = [json.loads(text) for text in chain.path.read_text().splitlines()]
    assert [(line[NUMBER], line[LINK]) for line in lines[:2]] == [(1, first), (2, second)]
    assert content_of(lines[0]) == {"number": 0} == chain.read()[0]
    assert chain.head() == Head(4, lines[-1][LINK]) and chain.newest() == lines[-1][LINK]
    assert Chain(chain.path.with_name("none")).head() == Head(0, "")


def test_the_newest_lines_are_read_without_the_older_ones(chain: Chain) -> None:
    for cut in (None, 200):
        chain = Chain(chain.path, durable=False, most=cut)  # 200: the file is put aside with every second line
        chain.append({"number": 5}, {"number": 2})
        assert chain.since(lambda line: line["number"] == 5) == [{"number": 5}, {"number": 2}]
        assert chain.since(lambda line: line["number"] == 9) is None
    assert len(chain.files()) > 1
    older, newer = chain.files()[0], chain.files()[-1]
    assert chain.since(lambda line: line["number"] == 0) == chain.read()
    older.write_bytes(older.read_bytes().replace(b'"number": 1', b'"number": 7'))
    assert chain.since(lambda line: line["number"] == 5) == [{"number": 5}, {"number": 2}]
    with pytest.raises(DataError, match="line 2 does not follow"):
        chain.since(lambda line: line["number"] == 0)
    newer.write_bytes(newer.read_bytes().replace(b'"number": 2', b'"number": 3'))
    with pytest.raises(DataError, match=r"line \d does not follow"):
        chain.since(lambda line: line["number"] == 5)
    newer.write_bytes(b"[1]\n")
    with pytest.raises(DataError, match="line 1 does not follow"):
        chain.since(lambda line: True)


def test_lines_behind_one_without_a_digest_are_for_whoever_reads_all(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "log.jsonl", durable=False)
    chain.path.write_text('{"number": 0}\n')
    chain.append({"number": 1}, {"number": 2})
    assert chain.since(lambda line: line["number"] == 2) == [{"number": 2}]
    assert chain.since(lambda line: line["number"] == 1) is None
    assert chain.since(lambda line: line["number"] == 0) == chain.read()


def test_lines_that_are_added_together_are_those_added_one_by_one(chain: Chain) -> None:
    other = Chain(chain.path.with_name("other.jsonl"), durable=False)
    assert other.append(*({"number": number} for number in range(4))) == chain.head()
    assert other.path.read_bytes() == chain.path.read_bytes()


def test_any_change_of_one_character_is_found(tmp_path: Path) -> None:
    """Each place, by random bytes and by those that leave the meaning of JSON as it was, or end a line. A newline at
    the end that is gone shows by the head."""
    chain, rng = Chain(tmp_path / "log.jsonl", durable=False), random.Random(0)
    chain.append({"what": "first", "time": 1e-05}, {"a b": "ä\n", "list": [1, 2.50, None]})
    said = chain.append({"what": "", "A": {"a": True, "b": -0.0}})
    content = chain.path.read_bytes()
    for at, byte in enumerate(content):
        for other in {b'\t \n\r"1aA'[at % 8], rng.randrange(256)} - {byte}:
            chain.path.write_bytes(content[:at] + bytes([other]) + content[at + 1 :])
            try:
                heads = [link.head for link in chain.walk()]
            except DataError:
                continue
            assert heads[-1] != said, (at, other)


@pytest.mark.parametrize(("order", "line"), [((0, 2, 3), 2), ((0, 1, 1, 2, 3), 3), ((1, 0, 2, 3), 1), ((1, 2, 3), 1)])
def test_a_line_removed_added_or_moved_is_named(chain: Chain, order: tuple[int, ...], line: int) -> None:
    lines = chain.path.read_text().splitlines(keepends=True)
    chain.path.write_text("".join(lines[k] for k in order))
    with pytest.raises(DataError, match=f"was changed: line {line} does not follow"):
        chain.read()
    chain.append({"number": 9})
    with pytest.raises(DataError, match=f"line {line} does not follow"):
        chain.read()


def test_a_last_line_that_is_none_is_not_built_upon(chain: Chain) -> None:
    with chain.path.open("a") as stream:
        stream.write("what?\n")
    with pytest.raises(DataError, match="was changed: its last line is no line of a log"):
        chain.append({"number": 9})


def test_a_line_that_was_cut_off_while_it_was_written_goes_with_the_next(chain: Chain) -> None:
    with chain.path.open("a") as stream:
        stream.write('{"number": 4, "ch')
    assert chain.torn() and numbers(chain) == [0, 1, 2, 3] and chain.head().lines == 4
    chain.append({"number": 5})
    assert not chain.torn() and numbers(chain) == [0, 1, 2, 3, 5]
    assert all(json.loads(line) for line in chain.path.read_text().splitlines())


def test_a_grown_file_is_put_aside_and_the_chain_goes_on(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "log.jsonl", durable=False, most=300)
    for number in range(9):
        chain.append({"number": number})
    aside = [path.name for path in chain.files()]
    assert aside[:2] == ["log-0001.jsonl", "log-0002.jsonl"] and aside[-1] == "log.jsonl" and len(aside) == 3
    assert numbers(chain) == list(range(9)) and chain.head().lines == 9
    chain.path.rename(tmp_path / "log-0003.jsonl")  # a power cut between putting aside and the next line
    assert chain.head().lines == 9
    chain.append({"number": 9})
    assert numbers(chain) == list(range(10))
    (tmp_path / "log-0001.jsonl").unlink()
    with pytest.raises(DataError, match=r"log-0002.jsonl was changed: line 1 does not follow"):
        chain.read()


def test_lines_older_than_the_chain_are_vouched_for_by_the_next(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "log.jsonl", durable=False)
    older = ['{"what":  "spaced"}', '{"what": "second"}']
    chain.path.write_text("".join(f"{line}\n" for line in older))
    assert chain.head().lines == 2
    chain.append({"what": "third"})
    chain.append({"what": "fourth"})
    assert [(link.head.lines, link.chained) for link in chain.walk()] == [(1, False), (2, False), (3, True), (4, True)]
    chain.path.write_text(chain.path.read_text().replace("spaced", "spacey"))
    with pytest.raises(DataError, match="line 3 does not follow"):
        chain.read()


def test_adding_looks_at_the_last_line_alone(chain: Chain) -> None:
    """What stands far before it is not read: half a gigabyte of holes."""
    last = chain.path.read_bytes().splitlines(keepends=True)[-1]
    with chain.path.open("r+b") as stream:
        stream.truncate(0)
        stream.seek(2**29)
        stream.write(b"\n" + last)
    unbound = Chain(chain.path, durable=False, most=None)
    assert unbound.append({"number": 4}).lines == 5


def test_a_line_longer_than_a_look_is_read_whole(chain: Chain) -> None:
    chain.append({"number": 4, "long": "x" * 100_000})
    assert chain.append({"number": 5}).lines == 6 and numbers(chain)[-2:] == [4, 5]


def _add(path: Path, who: int) -> None:
    chain = Chain(path, durable=False, most=2000)
    for _ in range(25):
        chain.append({"number": who})


def test_several_processes_add_to_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    together = [multiprocessing.get_context("fork").Process(target=_add, args=(path, who)) for who in range(3)]
    for one in together:
        one.start()
    for one in together:
        one.join()
    assert sorted(numbers(Chain(path))) == [0] * 25 + [1] * 25 + [2] * 25
