"""The console of a coordinator's folder in which a run was really run, once; served on the loopback address."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedgraft.server.console.app import Console
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.watching.snapshot import Federation, federation

from ...conftest import plan_of_table
from ...serving import served
from ..watching.conftest import Watched, begun, carried_out

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    """After the run's end; made once."""
    plan = plan_of_table("decide.unseen=null")
    return carried_out(begun(tmp_path_factory.mktemp("finished"), plan), plan, looks=False)


@pytest.fixture
def run(finished: Watched, tmp_path: Path) -> Watched:
    """A copy of it; the third hospital has a hostile name, and answered once with an error."""
    shutil.copytree(finished.folder.root, tmp_path / "coordinator")
    folder = Folder(tmp_path / "coordinator")
    copied = Watched(folder, folder.runs / "first", finished.names)
    for name in copied.names[:2]:
        copied.tell(name)
    sites = json.loads(folder.sites_file.read_text())
    sites[2]["name"] = HOSTILE
    folder.sites_file.write_text(json.dumps(sites))
    line = {"round": 2, "what": "train", "site": HOSTILE, "node": 1002, "outcome": "site-error"}
    rest = {"reason": "the site reported `disk-full`", "examples": None, "bytes_down": 0, "bytes_up": 0}
    with (copied.out / "ledger.jsonl").open("a") as stream:
        stream.write(json.dumps(line | rest) + "\n")
    return copied


def look(watched: Watched) -> Federation:
    """Without asking Flower."""
    return federation(watched.folder, None, None, time.time())


@pytest.fixture
def link(run: Watched) -> Iterator[str]:
    with served(run.folder.root, Console(run.folder, lambda: look(run)).application) as found:
        yield found
