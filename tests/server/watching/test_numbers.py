"""A run that lies elsewhere, and of which Flower knows several pieces, is found by each of its names and numbers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError
from fedgraft.server.commands import status
from fedgraft.server.deployment import orders
from fedgraft.server.deployment.following import halt
from fedgraft.server.deployment.open_runs import PLAN, Submission, forget, numbers_of, open_runs, submissions, submit
from fedgraft.server.watching.choice import choose
from fedgraft.server.watching.runs import folder_of, past_runs

from .conftest import Watched


@pytest.fixture
def elsewhere(run: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The finished run, begun with ``--out``, cut off once. Flower's command is replaced."""
    out = tmp_path / "elsewhere" / "out1"
    shutil.move(run.out, out)
    numbers = iter(("17", "18"))
    monkeypatch.setattr(orders, "submit", lambda folder, bundle, config: next(numbers))
    monkeypatch.setattr(orders, "require_running", lambda folder: None)
    (out / PLAN).write_text("the plan")
    for resume in (False, True):
        submit(run.folder, "20261130-1-abc", out, resume=resume)
    (open_one,) = open_runs(run.folder)
    forget(run.folder, open_one)
    return out


def test_every_number_leads_to_it(run: Watched, elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, root = run.folder, str(run.folder.root)
    assert submissions(folder) == [Submission(n, "20261130-1-abc", str(elsewhere)) for n in ("17", "18")]
    for named in ("17", "18", "out1", "20261130-1-abc", str(elsewhere), None):
        assert choose(folder, named) == elsewhere
    assert main(["coordinator", "watch", root, "17", "--once"]) == 0
    assert capsys.readouterr().out.startswith("out1: completed, AUROC ")
    (past,) = past_runs(folder)
    assert (past.name, past.numbers, past.folder) == ("out1", ("17", "18"), str(elsewhere))
    assert folder_of(folder, "out1") == elsewhere and numbers_of(folder) == {elsewhere: ["17", "18"]}
    assert main(["coordinator", "runs", root]) == 0
    head, line, where = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "began", "state", "rounds", "figure", "report", "number"]
    assert line.split()[0] == "out1" and line.split()[-1] == "18"
    assert where == f"out1 is in {elsewhere}"
    with pytest.raises(DeploymentError, match="there is no run 19; the last ones: out1"):
        choose(folder, "19")


def test_the_last_of_two_with_the_same_name(run: Watched, elsewhere: Path, tmp_path: Path) -> None:
    other = tmp_path / "other" / "out1"
    shutil.copytree(elsewhere, other)
    line = json.dumps({"run_id": "19", "name": "x", "out": str(other)})
    with (run.folder.root / "submitted.jsonl").open("a") as stream:
        stream.write(line + "\n")
    assert choose(run.folder, "out1") == other and choose(run.folder, "18") == elsewhere
    shutil.rmtree(other)
    assert choose(run.folder, "out1") == elsewhere, "one that was removed is nowhere"


def test_status_names_the_run_beside_its_number(
    run: Watched, elsewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    states = tuple(orders.FlowerRun(n, "finished:failed", "why\n- more", "9 s") for n in ("18", "17", "3"))
    monkeypatch.setattr(orders, "run_states", lambda folder: states)
    monkeypatch.setattr(orders, "node_states", lambda folder: {})
    assert main(["coordinator", "status", str(run.folder.root)]) == 0
    assert status.DESCRIPTION
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "run 18  out1  finished:failed  9 s  why",
        "run 17  out1  finished:failed  9 s  why",
        "run 3  -  finished:failed  9 s  why",
    ]


def test_a_run_is_stopped_by_the_number_of_an_earlier_piece(
    run: Watched, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(orders, "stop_run", lambda folder, number: stopped.append(number))
    monkeypatch.setattr(orders, "submit", lambda folder, bundle, config: "20")
    submit(run.folder, "20261130-1-abc", elsewhere, resume=True)
    for named in ("17", "out1"):
        assert halt(run.folder, named, "for a test") == f"run {named}: it had completed; see {elsewhere}"
        submit(run.folder, "20261130-1-abc", elsewhere, resume=True)
    assert stopped == ["20", "20"]


def test_contributions_of_a_run_of_a_coordinator(
    run: Watched, elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = str(run.folder.root)
    for words in ([root], [root, "17"], [root, "out1"], [str(elsewhere)]):
        assert main(["coordinator", "contributions", *words]) == 0
        assert f"wrote {elsewhere}/contributions.csv" in capsys.readouterr().out
    assert main(["coordinator", "contributions", root, "19"]) == 2
    assert "there is no run 19; the last ones: out1" in capsys.readouterr().err
    assert main(["coordinator", "audit", root, "18"]) in (0, 1), "it is found"
    assert "ledger" in capsys.readouterr().out
