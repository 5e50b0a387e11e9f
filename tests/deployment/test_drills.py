"""Bad days over TLS: a process is killed while a message is computed, and the coordinator gets an answer at once."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fedgraft.common.runtime.only_one import beginning
from fedgraft.server.deployment import flower_cli, launch

from .conftest import Deployment, Service

SERVER = """
import json, time
from pathlib import Path
from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()

@app.main()
def main(grid, context):
    out, number = Path(context.run_config["out"]), 0
    while not (out / "enough").exists():
        nodes = list(grid.get_node_ids())
        if nodes:
            for reply in grid.send_and_receive([Message(RecordDict(), nodes[0], "query.prepare")], timeout=100):
                said = reply.error.reason if reply.has_error() else "content"
                with (out / "said").open("a") as stream:
                    stream.write(json.dumps([reply.error.code, said]) + chr(10))
        time.sleep(0.1)
"""
SECONDS = 60.0


def until(what: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def below(parent: int, words: str = "") -> list[int]:
    """The children of a process whose command line holds ``words``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            above = int((entry / "stat").read_text().rpartition(")")[2].split()[1]) if entry.name.isdecimal() else None
            if above == parent and words in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


class Site:
    """The processes of ``fedgraft site start``."""

    def __init__(self, supervisor: int) -> None:
        self.supervisor = supervisor

    def process(self, module: str) -> int:
        until(lambda: below(self.supervisor, module))
        return below(self.supervisor, module)[0]

    def messages(self) -> list[int]:
        """The processes that answer a message now."""
        return [
            one
            for executor in below(self.supervisor, "deployment.executor")
            for server in below(executor, "forkserver")
            for one in below(server)
        ]

    def tree(self) -> list[int]:
        found, unread = [self.supervisor], [self.supervisor]
        while unread:
            children = below(unread.pop())
            found, unread = found + children, unread + children
        return found


@pytest.fixture
def questions(deployment: Deployment, tmp_path: Path) -> Path:
    """A run that asks the only site again and again; the folder holds what was said."""
    bundle = launch.write_bundle(tmp_path)
    settings = (bundle / "pyproject.toml").read_text().replace("fedgraft.server.app:app", "asking:app")
    settings = settings.replace("[tool.flwr.app]", '[tool.flwr.app]\nfab-include = ["**/*.py"]')
    (bundle / "pyproject.toml").write_text(settings)
    (bundle / "asking.py").write_text(SERVER)
    config = tmp_path / "run.toml"
    config.write_text(f'out = "{tmp_path}"\nplan = ""\n')
    flower_cli.submit(deployment.folder, bundle, config)
    return tmp_path


def said(folder: Path) -> list[list[object]]:
    file = folder / "said"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_whoever_is_killed_each_message_is_answered(
    deployment: Deployment, start_site: Callable[..., Service], questions: Path, tmp_path: Path
) -> None:
    path = deployment.site_file("drilled", tmp_path / "none.csv")
    service = start_site(path)
    site = Site(service.process.pid)
    until(lambda: said(questions))
    assert said(questions)[0][1] == "fedgraft:wire", "undisturbed"

    def killed(victim: Callable[[], int]) -> str:
        until(site.messages)
        (message,) = site.messages()
        os.kill(message, signal.SIGSTOP)
        before = len(said(questions))
        os.kill(victim(), signal.SIGKILL)
        until(lambda: len(said(questions)) > before)
        return str(said(questions)[before][1])

    assert killed(lambda: site.messages()[0]) == "fedgraft:killed"
    assert "a message of a run (query.prepare) failed: `killed`: somebody or something killed" in service.said()
    assert killed(lambda: site.process("deployment.executor")) == "fedgraft:process-ended"
    assert killed(lambda: site.process("deployment.supernode")).startswith(("fedgraft:process-ended", "Error: Node"))
    tree = site.tree()
    began = {pid: beginning(pid) for pid in tree}
    until(site.messages)
    before = len(said(questions))
    os.kill(site.supervisor, signal.SIGKILL)
    service.process.wait()
    until(lambda: not [pid for pid in tree if beginning(pid) is not None and beginning(pid) == began[pid]])
    service = start_site(path)
    until(lambda: len(said(questions)) > before)
    assert said(questions)[before][1] in ("fedgraft:process-ended", "fedgraft:wire"), "the latter if it was computed"
    (questions / "enough").touch()
