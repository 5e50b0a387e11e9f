"""An exception at a site leaves as a code; the site's own log says where it happened, not what its text was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Message, RecordDict

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.plan.plan import Plan
from fedgraft.common.wire import messages
from fedgraft.simulations.engine.grid import InProcessGrid

SECRET = "anna-mueller-1957"


def ask(content: RecordDict, kind: str, node_config: dict[str, str]) -> Message:
    """One message to one site, through Flower's own objects."""
    app = client_app.build(client_app.MessageHandler(Workspace()))
    grid = InProcessGrid(app, [node_config], {})
    (node,) = grid.get_node_ids()
    (reply,) = grid.send_and_receive([Message(content, node, kind)])
    return reply


def site(folder: Path) -> Path:
    path = folder / SECRET / "site.yaml"
    write_site_file(path, SiteFile("north", path.parent / "no-such-manifest.csv", path.parent / "state"))
    return path


def train_message(digest: str = "0" * 64) -> RecordDict:
    return RecordDict({messages.CONFIG: ConfigRecord({"plan": digest, "server-round": 1})})


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (RecordDict(), messages.PREPARE, "wire"),
        (RecordDict(), messages.TRAIN, "wire"),
        (train_message(), messages.TRAIN, "wire"),
        (train_message("../../etc/passwd"), messages.TRAIN, "wire"),
        (train_message("../../etc/passwd"), messages.EVALUATE, "wire"),
        (messages.pack_prepare("{}", "0" * 64, "0" * 64), messages.PREPARE, "plan-invalid"),
        (messages.pack_prepare("no json", "0" * 64, "0" * 64), messages.PREPARE, "plan-invalid"),
    ],
)
def test_what_is_wrong_with_a_message_is_answered_by_a_code(
    tmp_path: Path, content: RecordDict, kind: str, code: str
) -> None:
    reply = ask(content, kind, {"site-file": str(site(tmp_path))})
    assert reply.has_error()
    assert reply.error.reason == f"fedgraft:{code}"


def test_the_text_of_an_exception_is_neither_sent_nor_logged(tmp_path: Path) -> None:
    path = tmp_path / SECRET / "site.yaml"
    path.parent.mkdir()
    path.write_text("name: [", encoding="utf-8")
    reply = ask(train_message(), messages.TRAIN, {"site-file": str(path)})
    assert reply.error.reason == "fedgraft:site-file"
    (line,) = (path.parent / "errors.jsonl").read_text().splitlines()
    written = json.loads(line)
    assert written["kind"] == "SiteFileError" and written["code"] == "site-file"
    assert any("read_site_file" in where for where in written["where"])
    assert SECRET not in line


def test_a_supernode_without_a_site_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reply = ask(train_message(), messages.TRAIN, {})
    assert reply.error.reason == "fedgraft:site-file"


def test_an_unexpected_exception_is_a_code_too(tmp_path: Path, compose_plan: Callable[..., Plan]) -> None:
    """The state folder's place is taken by a file."""
    path = site(tmp_path)
    (path.parent / "state").write_text("in the way")
    plan = compose_plan()
    content = messages.pack_prepare(plan.to_json(), plan.digest, "0" * 64)
    assert ask(content, messages.PREPARE, {"site-file": str(path)}).error.reason == "fedgraft:unexpected"
