"""A plan that nobody approved: no file of a case is opened for it, and nothing that depends on the data leaves."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.app import client_app
from fedgraft.client.app.workspace import Workspace
from fedgraft.client.approval import keeping
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.approval.receipt import is_signed
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.errors import RoundError
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


def test_a_plan_beyond_the_bounds_is_kept_and_nothing_is_opened_for_it(
    asking: Path, site: SiteFile, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("--site", str(asking))
    write_site_file(asking, replace(site, bounds=replace(site.bounds, rate=0.01, epochs=7)))
    with watching(asking.parent) as opened, pytest.raises(RoundError):
        serve(asking, plan, tmp_path / "first")
    assert set(opened) <= {"site.yaml"}, "neither manifest nor table"
    ((digest, path),) = Decisions(site).beyond().items()
    assert path == site.state / "beyond-bounds" / f"{digest}.json"
    assert path.stat().st_mode & 0o077 == 0
    assert main(["site", "pending", *where]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"{digest[:16]}  refused by `bounds` in site.yaml; fedgraft site review {digest[:8]} says which",
        "no plan waits for a decision",
    ]
    assert main(["site", "approve", digest[:8], "--by", "Dr A", *where]) == 2
    assert "`bounds` in site.yaml refused it when it came; `fedgraft site review`" in capsys.readouterr().err
    assert main(["site", "review", digest[:8], "--no-check", *where]) == 0
    shown = capsys.readouterr().out
    assert ", 3 rounds): refused by `bounds` in site.yaml, whoever approves it\n" in shown
    assert "  train.lr=0.1 is above bounds.rate=0.01\n" in shown
    assert "this line of site.yaml would allow it:\n  bounds: {rate: 0.1, epochs: 7}\n" in shown

    write_site_file(asking, replace(site, bounds=replace(site.bounds, rate=0.1, epochs=7)))
    assert main(["site", "review", digest[:8], "--no-check", *where]) == 0
    assert "and would not now: it can be decided about once the coordinator asks again" in capsys.readouterr().out
    with pytest.raises(TooFewError):
        serve(asking, plan, tmp_path / "second")
    assert (list(Decisions(site).pending()), Decisions(site).beyond()) == ([digest], {})


def test_what_is_kept_of_plans_is_bounded(site: SiteFile, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    decisions, many = Decisions(site), [replace(plan, rounds=n) for n in range(1, 6)]
    monkeypatch.setattr(keeping, "MOST_KEPT", 3)
    for moment, one in enumerate(many):
        for keep, folder in ((decisions.keep_pending, "pending"), (decisions.keep_beyond, "beyond-bounds")):
            keep(one)
            os.utime(site.state / folder / f"{one.digest}.json", (moment, moment))
        decisions.write("approved", many[0].digest, "Dr A", {})
    newest = [one.digest for one in many[:1:-1]]
    assert list(decisions.pending()) == newest
    assert decisions.kept_at(many[0].digest).is_file(), "what was decided about stays"
    assert list(decisions.beyond()) == newest
    monkeypatch.setattr(keeping, "MOST_BYTES", 2 * len(plan.to_json()) + 9)
    decisions.keep_beyond(many[0])
    assert list(decisions.beyond()) == [many[0].digest, many[-1].digest]
    monkeypatch.setattr(keeping, "MOST_BYTES", 1)
    decisions.keep_beyond(many[1])
    assert list(decisions.beyond()) == [many[1].digest], "the newest stays whatever its size"
