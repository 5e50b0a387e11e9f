"""What a run between hospitals writes down of each site, and whom it does not ask."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from fedgraft.server.deployment.folder import LEFT_OUT, REGISTERED, sites_of
from fedgraft.server.exchange.deployed_grid import NOW, DeployedGrid, deployed, read_now
from fedgraft.server.patience.register import Register
from fedgraft.simulations.engine.grid import InProcessGrid

NODES = {1000: "north", 1001: "south", 1002: "west"}


def answer(message: Message, context: Context) -> Message:
    return Message(RecordDict(), reply_to=message)


def inner() -> InProcessGrid:
    return InProcessGrid(answer, [{}, {}, {}], {})  # type: ignore[arg-type]


def questions(nodes: Iterable[int], number: int) -> list[Message]:
    content = RecordDict({"config": ConfigRecord({"server-round": number})})
    return [Message(content, node, "train") for node in nodes]


def test_each_site_s_last_question_and_answer(tmp_path: Path) -> None:
    grid = DeployedGrid(inner(), tmp_path, {1000: "north", 1001: "south"}, [1002])
    assert read_now(tmp_path) == {}
    assert list(grid.get_node_ids()) == [1000, 1001]
    one, two = grid.push_messages(questions((1000, 1001), 3))
    assert {name: (asked.what, asked.round, asked.answered) for name, asked in read_now(tmp_path).items()} == {
        "north": ("train", 3, None),
        "south": ("train", 3, None),
    }
    assert len(list(grid.pull_messages([one]))) == 1
    now = read_now(tmp_path)
    assert now["north"].answered is not None and not now["north"].failed and now["south"].answered is None
    (again,) = grid.push_messages([Message(RecordDict(), 1001, "query.prepare")])
    list(grid.pull_messages([two]))
    asked = read_now(tmp_path)["south"]
    assert (asked.what, asked.round, asked.answered) == ("prepare", None, None), "an answer to an older question"
    list(grid.pull_messages([again]))
    assert read_now(tmp_path)["south"].answered is not None


def test_a_clock_that_is_set_changes_no_duration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of day goes back by an hour while a site computes, or ahead."""
    grid = DeployedGrid(inner(), tmp_path, NODES)
    for node, step in ((1000, -3600.0), (1001, 3600.0)):
        (question,) = grid.push_messages(questions((node,), 1))
        now = time.time()
        monkeypatch.setattr(time, "time", lambda now=now, step=step: now + step)
        list(grid.pull_messages([question]))
        monkeypatch.undo()
        took = read_now(tmp_path)[NODES[node]].answered
        assert took is not None and 0 <= took < 600


def test_only_runs_between_hospitals_are_written_down(tmp_path: Path) -> None:
    grid = inner()
    assert deployed(grid, tmp_path, {}) is grid
    (tmp_path / REGISTERED).write_text(json.dumps({"1000": "north", "1001": "south"}))
    assert sites_of(tmp_path) == ["north", "south"], "a folder of an older version has no list"
    (tmp_path / LEFT_OUT).write_text(json.dumps({"1001": "south"}))
    assert sites_of(tmp_path) == ["north"]
    assert list(deployed(grid, tmp_path, {}).get_node_ids()) == [1000, 1002]
    assert (tmp_path / NOW).is_file()


def test_a_site_that_is_left_out_is_no_part_of_the_run(tmp_path: Path) -> None:
    sites = tmp_path / "sites.json"
    register = Register(sites, {1000: "north", 1001: "south"}, {1001: "south"})
    assert dict(register) == {1000: "north"}
    sites.write_text(json.dumps([{"node_id": str(node), "name": name} for node, name in NODES.items()]))
    assert dict(register) == {1000: "north", 1002: "west"}
