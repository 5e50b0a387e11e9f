"""Bad days over TLS: a process is killed while a message is computed, and the coordinator gets an answer at once."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from process_tree import below
from relay import Relay

from fedgraft.common.runtime.only_one import beginning
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.bundle import write_bundle

from .conftest import Deployment, Service

SERVER = """
import json, time
from pathlib import Path
from flwr.app import Message, RecordDict
from flwr.serverapp import ServerApp
app = ServerApp()

@app.main()
def main(grid, context):
    out, number = Path(context.run_config["run"]), 0
    while not (out / "enough").exists():
        nodes = list(grid.get_node_ids())
        if nodes and (out / f"ask-{number}").exists():
            number += 1
            for reply in grid.send_and_receive([Message(RecordDict(), nodes[0], "query.prepare")], timeout=100):
                said = reply.error.reason if reply.has_error() else "content"
                with (out / "said").open("a") as stream:
                    stream.write(json.dumps([reply.error.code, said]) + chr(10))
        time.sleep(0.1)
"""
SECONDS = 180.0


def until(what: Callable[[], object], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


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
    """A run that asks a site when there is a file ``ask-0``, ``ask-1``, ...; the folder holds what was said."""
    bundle = write_bundle(tmp_path)
    settings = (bundle / "pyproject.toml").read_text().replace("fedgraft.server.app:app", "asking:app")
    settings = settings.replace("[tool.flwr.app]", '[tool.flwr.app]\nfab-include = ["**/*.py"]')
    (bundle / "pyproject.toml").write_text(settings)
    (bundle / "asking.py").write_text(SERVER)
    config = tmp_path / "run.toml"
    config.write_text(f'run = "{tmp_path}"\nplan = ""\n')
    orders.submit(deployment.folder, bundle, config)
    return tmp_path


def said(folder: Path) -> list[list[object]]:
    file = folder / "said"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_whoever_is_killed_each_message_is_answered(
    deployment: Deployment, start_site: Callable[..., Service], questions: Path, tmp_path: Path
) -> None:
    path, line = deployment.site_file("drilled", tmp_path / "none.csv"), Relay(deployment.settings.port)
    path.write_text(path.read_text().replace(deployment.address, f"localhost:{line.port}"))
    service = start_site(path)
    site = Site(service.process.pid)

    def after(what: Callable[[], object] | None = None) -> str:
        """What is said to a question; with ``what`` once that has happened, while the question is being computed."""
        before = len(said(questions))
        (questions / f"ask-{before}").touch()
        if what is not None:
            until(site.messages)
            what()
        until(lambda: len(said(questions)) > before)
        until(lambda: not site.messages())
        return str(said(questions)[before][1])

    assert after() == "fedgraft:wire", "undisturbed"
    errors = path.parent / "state" / "errors.jsonl"

    def kill(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)

    def kill_all_and_start() -> None:
        tree = {pid: beginning(pid) for pid in site.tree()}
        kill(site.supervisor)
        service.process.wait()
        until(lambda: not [pid for pid, began in tree.items() if began is not None and beginning(pid) == began])
        errors.unlink()
        start_site(path)

    with errors.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # what happened is noted before it is answered: a message's process waits here
        assert after(lambda: kill(site.messages()[0])) == "fedgraft:killed"
        assert "a message of a run (query.prepare) failed: `killed`: somebody or something killed" in service.said()
        assert after(lambda: kill(site.process("deployment.executor"))) == "fedgraft:process-ended"
        assert after(lambda: kill(site.process("deployment.supernode"))) == "fedgraft:process-ended"
        assert after(kill_all_and_start) == "fedgraft:process-ended"
    service = deployment.services[-1]
    line.cut()
    service.wait_for("can't be reached (Connection refused); trying again every 2 s")
    line.join()
    service.wait_for("connected again to")
    site.supervisor = service.process.pid
    assert after() == "fedgraft:wire"
    (questions / "enough").touch()
