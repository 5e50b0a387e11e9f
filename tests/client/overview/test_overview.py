"""`fedgraft site status` and `pending --json`: what a site's own folder tells of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fedgraft.client.approval.decisions import FILE, Decisions
from fedgraft.client.cohort.quarantine import write_remarks
from fedgraft.client.overview.left import Left, by_day
from fedgraft.client.overview.overview import Work, overview
from fedgraft.client.site.site_file import SiteFile, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.runtime.only_one import beginning

PLAN = "0123456789abcdef" * 4
EARLIER = "b" * 64


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    """A site to which two plans came, one of which was refused."""
    (tmp_path / "manifest.csv").write_text("path,label,patient\na.png,x,P1\n")
    made = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state")
    write_site_file(tmp_path / "site.yaml", made)
    folder = made.state / "pending"
    folder.mkdir(parents=True)
    for digest in (PLAN, EARLIER):
        (folder / f"{digest}.json").write_text(json.dumps({"backbone": {"name": "resnet"}, "rounds": 7}))
        os.utime(folder / f"{digest}.json", (3600.0, 3600.0))
    Decisions(made).write("refused", EARLIER, "Dr A", {"why": "too many rounds"})
    return made


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["site", *words]) == code
    return capsys.readouterr().out


def test_plans_that_the_bounds_refused_are_listed(
    site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The five newest of six; also where nobody is asked."""
    folder, where = site.state / "beyond-bounds", ("--site", str(tmp_path / "site.yaml"))
    folder.mkdir()
    for number in range(6):
        file = folder / f"{number}{'c' * 63}.json"
        file.write_text(json.dumps({"backbone": {"name": "vit"}, "rounds": 9}))
        os.utime(file, (7200.0 + number, 7200.0 + number))
    values = json.loads(said(capsys, 3, "status", "--json", *where))
    assert [one["plan"][0] for one in values["beyond"]] == ["5", "4", "3", "2", "1"]
    assert values["beyond"][0]["came"] == "1970-01-01T02:00:05Z"
    pending = json.loads(said(capsys, 0, "pending", "--json", *where))
    assert [(one["plan"][0], one["refused_by"]) for one in pending] == [("0", ""), *((n, "bounds") for n in "54321")]
    write_remarks(site.state, ("60 pictures are dark",))
    assert "of its cases: 60 pictures are dark" in said(capsys, 3, "status", *where)
    line = "refused by `bounds` in site.yaml: plan 5ccccccccccccccc; fedgraft site review 5ccccccc says which"
    assert line in said(capsys, 3, "status", *where)
    write_site_file(tmp_path / "site.yaml", replace(site, approval="all"))
    assert [one["plan"][0] for one in json.loads(said(capsys, 0, "pending", "--json", *where))] == [*"54321"]


def log(site: SiteFile, name: str, *lines: dict[str, Any]) -> None:
    (site.state / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_status_in_words_and_as_json(site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--site", str(tmp_path / "site.yaml"))
    day, next_day = "2026-01-02T10:00:00Z", "2026-01-03T10:00:00Z"
    update = {"what": "update", "tensor_bytes": 1_000_000}
    log(site, "released.jsonl", {"time": day, "what": "offer"}, {"time": day, **update}, {"time": next_day, **update})
    log(
        site,
        "phases.jsonl",
        {"what": "query.prepare", "seconds": {"receive": None, "cohort": 1.5}},
        {"what": "train", "seconds": {"receive": 0.5, "train": 2.0}},
        {"what": "train", "seconds": {"train": 4.0}},
    )
    later = "2096-01-02T10:00:00Z"
    log(site, "errors.jsonl", {"time": later, "code": "disk-full", "kind": "DataError", "said": "rounds=9"})
    shown = said(capsys, 3, "status", *where)
    for words in (
        "north: not connected: `fedgraft site start` connects it",
        "waits for a decision: plan 0123456789abcdef; fedgraft site review 01234567",
        "left so far: 3 answers on 2 day(s), 2,000,000 bytes of weights",
        "time: 8 s for 3 messages",
        f"last failure, {later}: disk-full: free space on the disk",
        "(rounds=9)",
    ):
        assert words in shown
    values = json.loads(said(capsys, 3, "status", "--json", *where))
    pending = json.loads(said(capsys, 0, "pending", "--json", *where))
    assert pending == [{**one, "refused_by": ""} for one in values["waiting"]] and values["beyond"] == []
    waits = {"plan": PLAN, "came": "1970-01-01T01:00:00Z", "backbone": "resnet", "rounds": 7, "run": "unknown"}
    assert values["waiting"] == [waits]
    assert [(one["plan"], one["standing"], one["why"]) for one in values["decided"]] == [
        (EARLIER, "refused", "too many rounds")
    ]
    assert values["left"] == [
        {"day": "2026-01-03", "what": "update", "times": 1, "bytes": 1_000_000},
        {"day": "2026-01-02", "what": "offer", "times": 1, "bytes": 0},
        {"day": "2026-01-02", "what": "update", "times": 1, "bytes": 1_000_000},
    ]
    assert values["last_error"] == {"code": "disk-full", "time": later} and values["used"] > 0 and values["free"] > 0
    assert overview(site, 0.0).work == (Work("prepare", 1, 1.5), Work("train", 2, 6.5))


def test_a_failure_that_is_over_is_not_repeated(site: SiteFile) -> None:
    """An answer of a run, or a decision, came after it; facts and figures of a published model are no answer."""
    failed = {"time": "2096-01-02T10:00:00Z", "code": "disk-full"}
    log(site, "errors.jsonl", failed)
    log(site, "released.jsonl", {"time": "2096-01-02T10:00:00Z", "what": "offer", "run": 7})
    assert overview(site, 0.0).last_error == ("disk-full", failed["time"])
    answer = {"time": "2096-01-02T10:00:01Z", "what": "update", "run": 7}
    facts = {"time": "2096-01-02T10:00:02Z", "what": "facts", "run": 0}
    log(site, "released.jsonl", facts)
    assert overview(site, 0.0).last_error == ("disk-full", failed["time"])
    log(site, "released.jsonl", answer, facts)
    assert overview(site, 0.0).last_error is None
    log(site, "errors.jsonl", {"time": "2026-01-01T10:00:00Z", "code": "plan-refused"})
    log(site, "released.jsonl", facts)
    assert overview(site, 0.0).last_error is None, "somebody has decided since"
    log(site, "errors.jsonl", {"time": "2096-01-01T10:00:00Z", "code": "unapproved"})
    assert overview(site, 0.0).last_error is None, "that a plan waits is no failure"


def test_nothing_waits(site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--site", str(tmp_path / "site.yaml"))
    assert main(["site", "refuse", PLAN[:8], "--by", " ", "--why", "x", *where]) == 2
    assert "name who decides" in capsys.readouterr().err
    assert "is refused" in said(capsys, 0, "refuse", PLAN[:8], "--by", "Dr B", "--why", "x", *where)
    assert "waits" not in said(capsys, 0, "status", *where)
    assert [one.standing for one in overview(site, 0.0).decided] == ["refused", "refused"]


def test_a_log_that_was_changed_is_named(site: SiteFile, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (site.state / FILE).read_text()
    (site.state / FILE).write_text(text.replace("Dr A", "Dr B"))
    assert "was changed: line 1 does not follow" in said(capsys, 0, "status", "--site", str(tmp_path / "site.yaml"))
    assert overview(site, 0.0).waiting == ()


def test_whether_it_is_connected(site: SiteFile) -> None:
    own = {"name": "supervisor", "pid": os.getpid(), "began": beginning(os.getpid())}
    (site.state / "site.lock").write_text(json.dumps([own]))
    assert overview(site, 0.0).connected
    (site.state / "site.lock").write_text(json.dumps([{**own, "began": "another"}]))
    assert not overview(site, 0.0).connected, "the id was used again"


def test_lines_about_the_log_itself_are_not_counted() -> None:
    assert by_day(['{"time": "2026-01-02T", "what": "facts"}', '{"head": 3}']) == (Left("2026-01-02", "facts", 1, 0),)


def test_a_store_in_the_state_folder_is_counted_once(site: SiteFile, tmp_path: Path) -> None:
    before = overview(site, 0.0).used
    site.shared_store.mkdir()
    (site.shared_store / "kept").write_bytes(bytes(1000))
    assert overview(site, 0.0).used == before + 1000
    elsewhere = SiteFile(**{**vars(site), "store": tmp_path / "store"})
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "kept").write_bytes(bytes(500))
    assert overview(elsewhere, 0.0).used == before + 1500


def test_who_looks_loads_no_torch(tmp_path: Path) -> None:
    script = "import sys, fedgraft.client.console.command; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
