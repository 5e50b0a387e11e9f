"""Files that are there whole or not at all, lines of JSON, and what is for this account alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fedgraft.common.runtime.files import append_json, private_folder, replacing, whole_lines


def test_what_is_made_is_private_and_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir(mode=0o755)
    made = private_folder(tmp_path / "there" / "state" / "kept")
    assert [oct(folder.stat().st_mode & 0o777) for folder in (made, made.parent, made.parent.parent)] == [
        "0o700",
        "0o700",
        "0o755",
    ]
    assert private_folder(made) == made


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
        assert partial.parent == tmp_path
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replacing(path) as partial:
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_private_from_the_first_byte(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    with replacing(path, private=True) as partial:
        assert oct(partial.stat().st_mode & 0o777) == "0o600"
        partial.write_text("a page")
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_lines_of_json_follow_each_other(tmp_path: Path) -> None:
    append_json(tmp_path / "log.jsonl", {"a": 1}, {"b": None})
    append_json(tmp_path / "log.jsonl")
    append_json(tmp_path / "log.jsonl", {"c": "ä"})
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"b": None}, {"c": "ä"}]


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    assert whole_lines(path) == []
    path.write_text("one\ntwo\nthr", encoding="utf-8")
    assert whole_lines(path) == ["one", "two"]
    path.write_text("thr", encoding="utf-8")
    assert whole_lines(path) == []
