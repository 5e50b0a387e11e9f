"""A plan that nobody approved: no file of a case is opened for it, and nothing that depends on the data leaves."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.approval.receipt import is_signed
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.cli import main
from fedgraft.common.plan.plan import Plan
from fedgraft.server import app as server_app
from fedgraft.server.exchange.too_few import TooFewError
from fedgraft.simulations.engine.grid import InProcessGrid

_WATCHED: list[tuple[str, list[str]]] = []
"""A folder, and what was opened in it, as long as somebody watches."""


def _see(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _WATCHED and isinstance(arguments[0], str | bytes):
        folder, opened = _WATCHED[0]
        name = os.fsdecode(arguments[0])
        if name.startswith(folder + "/") and not name.startswith(f"{folder}/state"):
            opened.append(name[len(folder) + 1 :])


sys.addaudithook(_see)  # it can't be taken away again; it looks at nothing unless somebody watches


@contextmanager
def watching(folder: Path) -> Iterator[list[str]]:
    opened: list[str] = []
    _WATCHED.append((str(folder), opened))
    try:
        yield opened
    finally:
        _WATCHED.clear()


def serve(site: Path, plan: Plan, out: Path) -> Any:
    app = client_app.build(client_app.MessageHandler(Workspace(asks=True), [site], keep_answers=True))
    grid = InProcessGrid(app, [{"site-file": str(site)}], {})
    return server_app.serve(grid, plan, out, None, lambda round_: None)


def ledger(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "ledger.jsonl").read_text().splitlines()]


def test_nothing_is_opened_and_nothing_leaves_until_a_person_said_yes(
    asking: Path, site: SiteFile, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with watching(asking.parent) as opened, pytest.raises(TooFewError):
        serve(asking, plan, tmp_path / "first")
    assert set(opened) <= {"site.yaml"}, "neither manifest nor table"
    assert {"`unapproved`" in line["reason"] for line in ledger(tmp_path / "first")} == {True}
    assert not (site.state / "released.jsonl").exists()
    (digest,) = Decisions(site).pending()

    assert main(["site", "approve", digest[:8], "--by", "Dr A", "--site", str(asking)]) == 0
    assert "is approved, until it is revoked" in capsys.readouterr().out
    with watching(asking.parent) as opened:
        serve(asking, plan, tmp_path / "second")
    assert {"manifest.csv", "table.csv"} <= set(opened)
    receipt = json.loads((tmp_path / "second" / "receipts" / f"{site.name}.json").read_text())
    assert is_signed(receipt)
    assert (receipt["by"], receipt["plan"]) == ("Dr A", digest)


def test_a_plan_revoked_in_the_middle_gets_no_further_answer(
    asking: Path, site: SiteFile, plan: Plan, tmp_path: Path
) -> None:
    with pytest.raises(TooFewError):
        serve(asking, plan, tmp_path / "first")
    (digest,) = Decisions(site).pending()
    assert main(["site", "approve", digest, "--by", "Dr A", "--site", str(asking)]) == 0
    app = client_app.build(client_app.MessageHandler(Workspace(asks=True), [asking], keep_answers=True))
    grid = InProcessGrid(app, [{"site-file": str(asking)}], {})

    def after(round_: Any) -> None:
        if round_.number == 1:
            assert main(["site", "revoke", digest, "--by", "Dr B", "--why", "opt-out", "--site", str(asking)]) == 0

    with pytest.raises(TooFewError):
        server_app.serve(grid, plan, tmp_path / "second", None, after)
    refused = [line for line in ledger(tmp_path / "second") if "`plan-refused`" in line["reason"]]
    assert refused
    assert all(line["round"] > 1 or line["what"] != "train" for line in refused)
    released = [json.loads(line)["what"] for line in (site.state / "released.jsonl").read_text().splitlines()]
    assert released.count("update") == 1
