"""`coordinator watch`: what it shows of a run that was really run, while it went on and after its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fedgraft.common import tasks
from fedgraft.common.causes import reported
from fedgraft.common.cli import main
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.run_lock import LOCK, run_lock
from fedgraft.server.app import print_round
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.open_runs import end
from fedgraft.server.exchange.deployed_grid import Asked
from fedgraft.server.exchange.ledger import Entry, Ledger
from fedgraft.server.reports.headline import closing_sentence
from fedgraft.server.rounds.state import Round
from fedgraft.server.watching import command
from fedgraft.server.watching.choice import choose
from fedgraft.server.watching.observed import Observed, SeenSite, observe
from fedgraft.server.watching.view import view
from fedgraft.server.watching.words import doing, dropped, headline, heard, news, sparkline

from ...conftest import plan_of_table
from .conftest import Watched


def shown(run: Observed) -> list[str]:
    console = Console(width=140, force_terminal=False)
    with console.capture() as capture:
        console.print(view(run))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_run_while_it_goes_on_and_at_its_end(run: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    one, two, left_out = run.names
    begun = run.during[0]
    assert (begun.state, begun.number, begun.rounds, begun.curve) == ("running", -1, 3, ())
    assert headline(begun) == "first: running, before round 1 of 3"
    assert begun.left_out == (left_out,) and [site.name for site in begun.sites] == [one, two]
    trained = [seen for seen in run.during if any(s.asked is not None and s.asked.what == "train" for s in seen.sites)]
    numbers = [site.asked.round for seen in trained for site in seen.sites[:1] if site.asked is not None]
    assert sorted({number for number in numbers if number is not None}) == [1, 2, 3]
    last = next(seen for seen in reversed(trained) if seen.sites[0].asked == trained[-1].sites[0].asked)
    assert headline(last).startswith("first: running, round 3 of 3, AUROC ") and " left" in headline(last)
    assert doing(last.sites[0], last).startswith("computes train, round 3 for ")
    ended = run.look()
    assert (ended.state, ended.number, len(ended.curve)) == ("completed", 3, 4)
    assert main(["coordinator", "watch", str(run.folder.root), "--once"]) == 0
    said = capsys.readouterr().out
    assert not any(line.endswith(" ") for line in said.splitlines())
    assert "first: completed, AUROC " in said and f"left out, since the plan does not fit: {left_out}" in said
    for name in (one, two):
        assert any(line.startswith(name) and "answered evaluate, round 3 after " in line for line in said.splitlines())
    assert main(["coordinator", "watch", str(run.folder.root), "first"]) == 0, "in a pipe"
    assert capsys.readouterr().out.splitlines()[0].startswith("first: completed")


def test_lines_in_a_pipe_from_the_first_look_to_the_end(watched: Watched, tmp_path: Path) -> None:
    """Another process watches; it ends by itself, and its exit code says how the run ended."""
    arguments = ["coordinator", "watch", str(watched.folder.root)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fedgraft.common.cli", *arguments], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert process.stdout is not None
    guard = threading.Timer(120, process.kill)
    guard.start()
    try:
        assert process.stdout.readline() == "first: starting, before round 1 of 3\n"
        assert process.stdout.readline().startswith("left out, since the plan does not fit: ")
        with run_lock(watched.out):
            assert process.stdout.readline() == "first: running, before round 1 of 3\n"
            write_waiting(watched, "west")
            assert process.stdout.readline() == (
                "first: waiting, before round 1 of 3, 1 of 2 sites; missing: west; since 12:00\n"
            )
            end(watched.out, "its patience was spent")
        assert process.stdout.readline() == "first: ended, after round 0 of 3, its patience was spent\n"
        assert process.stdout.read() == "" and process.wait() == 1
    finally:
        guard.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def write_waiting(watched: Watched, missing: str) -> None:
    told = {"reason": "1 of 2 sites", "missing": [missing], "since": "12:00"}
    partial = watched.out / "waiting.partial"
    partial.write_text(json.dumps(told))
    partial.replace(watched.out / "waiting.json")


def test_a_run_whose_process_is_gone(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (watched.out / LOCK).write_text(str(gone.pid))
    assert headline(watched.look()) == "first: cut off, before round 1 of 3, its process is gone"
    assert main(["coordinator", "watch", str(watched.folder.root), "--once"]) == 1
    (watched.out / LOCK).write_text(str(os.getpid()))
    assert watched.look().state == "cut off", "this process is there, but does not hold the lock"
    assert main(["coordinator", "watch", str(watched.folder.root)]) == 1, "and nobody knows it as open"
    assert "cut off" in capsys.readouterr().out


def test_a_silent_site_is_named(watched: Watched) -> None:
    one, two, _ = watched.names
    watched.tell(one)
    watched.tell(two, seconds_ago=46)
    seen = watched.look()
    first, second = seen.sites
    assert (first.silent, second.silent) == (False, True)
    assert heard(first, seen.now) == "5 s ago" and heard(second, seen.now).startswith("silent since ")
    assert f"site {two} is {heard(second, seen.now)}" in list(news(None, seen))
    watched.tell(two)
    assert list(news(seen, watched.look())) == [f"site {two} is heard again"]
    assert heard(replace(first, heard=None), seen.now) == "never"


RUN = Observed(Path("r"), 1000.0, "running", "", 2, 10, "AUROC", (0.5, 0.6, 0.9), 30.0, ())


def test_remaining_time_and_curve() -> None:
    assert RUN.remaining == 240.0
    assert headline(RUN) == "r: running, round 3 of 10, AUROC 0.900, about 4 min left"
    assert sparkline(RUN) == "▁▃█"
    assert sparkline(replace(RUN, curve=(None, 0.5, 0.5))) == "·▁▁"
    assert sparkline(replace(RUN, curve=(None,))) == ""
    assert headline(replace(RUN, number=10, state="completed")) == "r: completed, AUROC 0.900"


def test_what_a_site_does() -> None:
    site = SeenSite("north", 990.0, False, Asked("train", 3, 988.0), ())
    assert doing(site, RUN) == "computes train, round 3 for 12 s"
    assert doing(replace(site, silent=True), RUN) == "was asked train, round 3 12 s ago"
    assert doing(site, replace(RUN, state="ended")) == "did not answer train, round 3"
    assert doing(replace(site, asked=Asked("prepare", None, 1.0, 4.25)), RUN) == "answered prepare after 4.2 s"
    assert doing(replace(site, asked=Asked("train", 3, 1.0, 75.0, True)), RUN) == "failed train, round 3 after 75 s"
    assert doing(replace(site, asked=None), RUN) == "was asked nothing yet"


def test_drops_with_their_reason() -> None:
    drop = Entry(2, "train", "north", 7, "site-error", "disk-full", None, 0, 0)
    site = SeenSite("north", 990.0, False, None, (drop,))
    assert dropped(site) == "round 2 (train): site-error, disk-full"
    twice = replace(site, drops=(drop, replace(drop, round=3)))
    assert dropped(twice) == "2 times, last in round 3 (train): site-error, disk-full"
    before, after = replace(RUN, sites=(site,)), replace(RUN, sites=(twice,))
    assert list(news(before, after)) == ["site north dropped in round 3 (train): site-error, disk-full"]
    (line,) = [line for line in shown(after) if line.startswith("north")]
    assert line.endswith(dropped(twice))
    asked = replace(RUN, sites=(replace(site, asked=Asked("train", 3, 999.0)),))
    assert list(news(before, asked)) == ["site north is asked train, round 3"]


def test_who_waits_for_a_yes_was_not_dropped(watched: Watched) -> None:
    one, two, _ = watched.names
    yes = Entry(1, "prepare", one, 1000, "site-error", f"{reported('unapproved')} ask", None, 0, 0)
    no = replace(yes, site=two, node=1001, reason=f"{reported('plan-refused')} ask them why")
    write(watched, yes, no)
    first, second = watched.look().sites
    assert (first.drops, first.unapproved) == ((), True) and (second.drops, second.unapproved) == ((no,), False)
    failed = Asked("prepare", None, 1.0, 4.0, True)
    assert doing(replace(first, asked=failed), RUN) == "waits: nobody there has approved the plan yet"
    assert doing(replace(second, asked=failed), RUN) == "failed prepare after 4.0 s"
    assert doing(replace(first, asked=failed), replace(RUN, state="ended")) == "failed prepare after 4.0 s"
    write(watched, yes, replace(yes, outcome="ok", reason=""))
    assert not watched.look().sites[0].unapproved


def write(watched: Watched, *entries: Entry) -> None:
    ledger = watched.out / "ledger.jsonl"
    ledger.unlink(missing_ok=True)
    Ledger(ledger).write(*entries)


def test_the_waiting_line_names_the_causes(watched: Watched) -> None:
    told = {"reason": "1 of 2 sites", "missing": ["east", "west"], "since": "12:00"}
    causes = {"east": {"code": "plan-refused", "what": "ask them why"}}
    (watched.out / "waiting.json").write_text(json.dumps({**told, "causes": causes}))
    with run_lock(watched.out):
        assert watched.look().reason == "1 of 2 sites; missing: east (plan-refused), west; since 12:00"


def test_the_log_ends_with_the_main_figure(run: Watched) -> None:
    path = run.out / "summary.json"
    found = json.loads(path.read_text())
    auroc, cases = found["test"]["auroc"], found["test"]["cases"]
    assert closing_sentence(run.out) == (
        f"final model: AUROC {auroc:.3f} on {cases} test cases; what that is worth is in report.html"
    )
    none = {**found["test"], "auroc": None}
    path.write_text(json.dumps({**found, "test": none}))
    assert closing_sentence(run.out).startswith(f"final model: no AUROC can be told from {cases} test cases; ")
    blurred = {"ranked": False, "too_few": {"val": [], "test": ["east"]}, "share": 1.0}
    path.write_text(json.dumps({**found, "scores": blurred}))
    assert closing_sentence(run.out) == (
        f"final model: its AUROC can't be told from {cases} test cases, whose scores came in too few groups; what that "
        "is worth is in report.html"
    )
    path.write_text(json.dumps({**found, "scores": {**blurred, "ranked": True}}))
    assert closing_sentence(run.out).startswith(f"final model: AUROC {auroc:.3f} on ")
    nobody = {**none, "cases": 0}
    path.write_text(json.dumps({**found, "test": nobody, "val": {"auroc": 0.75, "cases": 8}}))
    assert closing_sentence(run.out).startswith("final model: AUROC 0.750 on 8 validation cases; ")


def test_the_untrained_model_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    task = tasks.of(plan_of_table().data)
    print_round(Round(0, task))
    assert capsys.readouterr().out == ""
    print_round(Round(1, task, ("east", "west"), 0.5))
    assert capsys.readouterr().out == "round 1: 2 site(s) updated, training loss 0.5000\n"


def test_which_run(watched: Watched, tmp_path: Path) -> None:
    assert choose(watched.folder, None) == watched.out
    assert choose(watched.folder, str(watched.out)) == choose(watched.folder, "first") == watched.out
    with pytest.raises(DeploymentError, match=r"there is no run second; the last ones: first"):
        choose(watched.folder, "second")
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(DeploymentError, match=r"is not the folder of a run: it has neither submitted.json"):
        observe(choose(watched.folder, str(tmp_path / "elsewhere")), {}, 0.0)
    with pytest.raises(DeploymentError, match=r"holds no coordinator.yaml"):
        choose(Folder(tmp_path), None)
    (watched.folder.root / "open").mkdir()
    note = {"name": "x", "run_id": "77", "out": str(watched.out), "tries": 0, "round": -1}
    (watched.folder.root / "open" / "x.json").write_text(json.dumps(note))
    assert choose(watched.folder, "77") == choose(watched.folder, None) == watched.out
    assert not command.is_over(watched.folder, watched.look()), "its coordinator knows it as open"


def test_no_run_yet(tmp_path: Path, watched: Watched) -> None:
    for path in watched.out.iterdir():
        path.unlink()
    with pytest.raises(DeploymentError, match="no run has begun in"):
        choose(watched.folder, None)


def test_the_terminal_is_drawn_again_until_the_end(run: Watched) -> None:
    console = Console(width=140, force_terminal=True, color_system=None)
    with console.capture() as capture:
        assert command._live(run.folder, run.out, console) == 0
    assert "first: completed" in capture.get()


def test_a_dry_run_is_for_new_runs(watched: Watched, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["coordinator", "run", str(watched.folder.root), "--resume", str(watched.out), "--dry-run"]) == 2
    assert "leave out --out, --dry-run and --start-from" in capsys.readouterr().err
