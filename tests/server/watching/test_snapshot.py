"""`coordinator status`, `sites` and `runs` as JSON, of a folder in which a run was really run."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedgraft.common.cli import main
from fedgraft.common.wire.site_facts import SiteFacts
from fedgraft.server.deployment.folder import read_sites
from fedgraft.server.deployment.invitations import invite
from fedgraft.server.deployment.public.announced import Announced
from fedgraft.server.watching.hospitals import _hospital, hospital_table, hospitals
from fedgraft.server.watching.runs import _last_round
from fedgraft.server.watching.snapshot import federation

from .conftest import Watched


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> Any:
    assert main(["coordinator", *words]) == code
    return json.loads(capsys.readouterr().out)


def test_one_reading_for_every_command(run: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    root, (one, two, left_out) = str(run.folder.root), run.names
    invite(run.folder, ["west"], 3600, 1000.0)
    status = printed(capsys, "status", root, "--json", code=2)
    assert status["running"] is False and status["certificate"]["days"] in (396, 397)
    assert [site["name"] for site in status["sites"]] == [one, two, left_out]
    assert [(site["state"], site["approval"]) for site in status["sites"]] == [
        ("online", "any plan"),
        ("online", "any plan"),
        ("unknown", "unknown"),
    ], "of the third nothing was ever heard"
    assert status["invitations"] == [
        {"name": "west", "until": "1970-01-01T01:16:00Z", "state": "ended", "key": None}
    ], "rounded down to a minute"
    watched = printed(capsys, "watch", root, "--once", "--json")
    for later in ("now",):
        watched.pop(later), status["run"].pop(later)
    assert [site.pop("heard") is not None for site in watched["sites"]] == [True, True]
    for site in status["run"]["sites"]:
        site.pop("heard")
    assert watched == status["run"]
    assert (watched["state"], watched["number"], watched["rounds"], watched["figure"]) == ("completed", 3, 3, "AUROC")
    assert printed(capsys, "runs", root, "--json") == status["runs"]
    (past,) = status["runs"]
    assert (past["name"], past["state"], past["rounds"], past["report"]) == ("first", "completed", 3, True)
    assert (past["numbers"], past["folder"]) == ([], str(run.out)), "of a coordinator of an older version"


def test_a_round_says_who_trained_on_how_many_cases_and_bytes(run: Watched) -> None:
    found = federation(run.folder, None, None, 2e9).run
    assert found is not None
    rounds = [json.loads(line) for line in (run.out / "rounds.jsonl").read_text().splitlines()]
    entries = [json.loads(line) for line in (run.out / "ledger.jsonl").read_text().splitlines()]
    assert [one.number for one in found.course] == [0, 1, 2, 3]
    for seen, line in zip(found.course[1:], rounds[1:], strict=True):
        trained = [e for e in entries if (e["what"], e["round"]) == ("train", seen.number)]
        assert seen.cases == sum(e["examples"] for e in trained) > 0
        assert (seen.up, seen.down) == (line["bytes"]["up"], line["bytes"]["down"])
        assert seen.figure == line["test"]["auroc"] and seen.sites == 2
        assert seen.by_site == {name: one["test"]["auroc"] for name, one in line["sites"].items()}


def test_a_run_of_an_older_version_has_its_figure_once_it_has_ended(run: Watched) -> None:
    new = run.look()
    (run.out / "headline.json").unlink()
    assert replace(run.look(), now=new.now, sites=new.sites) == replace(new, plan=run.look().plan)
    summary = (run.out / "summary.json").read_text()
    (run.out / "summary.json").unlink()
    old = run.look()
    assert (old.rounds, old.figure, old.curve, len(old.course)) == (3, "", (), 4)
    (run.out / "summary.json").write_text(summary)


def test_what_is_known_of_a_hospital(watched: Watched) -> None:
    (site, *_), plan = read_sites(watched.folder), "a" * 64
    facts = SiteFacts("0.9", 1, "rows", cases=1200, approval="ask", approved=(plan,))
    told = Announced(970.0, facts, 2.5)
    one = _hospital(site, told, {site.node_id: "online"}, False, 1000.0, plan)
    assert (one.state, one.heard, one.version, one.ahead, one.cases, one.approval) == (
        "online",
        30.0,
        "0.9",
        2.5,
        1200,
        "approved",
    )
    assert _hospital(site, told, {site.node_id: "online"}, True, 1000.0, "b" * 64).state == "silent"
    assert _hospital(site, told, None, False, 1000.0, "b" * 64).approval == "waiting"
    refused = replace(told, facts=replace(facts, refused=("b" * 64,)))
    assert _hospital(site, refused, None, False, 1000.0, "b" * 64).approval == "refused"
    (line,) = hospital_table([one]).splitlines()[1:]
    assert line.split()[1:8] == ["online", "30", "s", "ago", "about", "1200", "any"]
    assert " 40 at most " in hospital_table([replace(one, most_cases=40)])
    assert _hospital(site, told, None, False, 1000.0, "").approval == "asks"
    assert _hospital(site, told, {}, False, 1000.0, "").state == "unknown", "Flower does not know it"
    assert _hospital(site, told, None, False, 1016.0, "").state == "silent", "46 s"
    assert [one.name for one in hospitals(watched.folder, None, 1000.0)] == list(watched.names)


def test_of_a_long_run_only_the_last_line_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rounds.jsonl"
    assert _last_round(path) is None
    path.write_text("")
    assert _last_round(path) is None
    lines = [json.dumps({"round": number, "sites": "x" * 1000}) for number in range(200)]
    path.write_text("\n".join(lines) + '\n{"round": 200, "si')
    assert (_last_round(path) or {})["round"] == 199, "the last that is whole"
    path.write_text(json.dumps({"round": 0, "sites": "x" * 200_000}) + "\n")
    assert (_last_round(path) or {})["round"] == 0, "one that is longer than what is read first"


def test_options_that_contradict_each_other(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    root = str(watched.folder.root)
    assert main(["coordinator", "watch", root, "--json"]) == 2
    assert "--json shows a run once: give --once too" in capsys.readouterr().err
    assert main(["coordinator", "run", root, "--plan", "p.yaml", "--dry-run", "--detach"]) == 2
    assert "--dry-run submits nothing to return from; leave out --detach" in capsys.readouterr().err
    assert main(["coordinator", "runs", root]) == 0
    name, *_, report, number = capsys.readouterr().out.splitlines()[1].split()
    assert (name, report, number) == ("first", "no", "-")


def test_who_watches_loads_no_torch(tmp_path: Path) -> None:
    script = "import sys, fedgraft.server.console.command; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
