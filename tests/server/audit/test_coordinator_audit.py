"""`fedgraft coordinator audit`: what was changed in a ledger is named, by what it said and what sites kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.cli import main
from fedgraft.common.logs.heads import Statement, read_kept
from fedgraft.common.logs.travelling import put_into, taken_from
from fedgraft.common.runtime.chained import Head
from fedgraft.server.audit.heads import HEADS, LEDGER, LOST
from fedgraft.server.audit.verify import verify
from fedgraft.server.deployment.folder import LIVE, Folder, RegisteredSite, Settings, create, write_sites
from fedgraft.server.exchange.deployed_grid import DeployedGrid
from fedgraft.server.exchange.ledger import FAILURES, Entry, Ledger, read_entries
from fedgraft.simulations.engine.grid import InProcessGrid

Audit = Callable[..., tuple[int, str]]


def entries(*rounds: int) -> list[Entry]:
    return [Entry(number, "train", "north", 1000, "ok", "", 12, 100, 100) for number in rounds]


@dataclass
class Course:
    """A coordinator with one site, a run's folder, and the site's key."""

    folder: Folder
    out: Path
    key: Path

    def exchange(self, says: Statement) -> list[Statement]:
        """Ask the site once, which answers with a statement; returns what it was told."""
        told: list[Statement] = []

        def answer(message: Message, context: Context) -> Message:
            came = taken_from(message.content)
            assert came is not None and list(message.content) == ["config"]
            told.append(came)
            return Message(put_into(RecordDict({"metrics": ConfigRecord({"a": 1})}), says), reply_to=message)

        grid = DeployedGrid(InProcessGrid(answer, [{}], {}), self.out, {1000: "north"})  # type: ignore[arg-type]
        question = RecordDict({"config": ConfigRecord({"server-round": 1})})
        pushed = grid.push_messages([Message(question, 1000, "train")])
        (reply,) = grid.pull_messages(pushed)
        assert list(reply.content) == ["metrics"] and list(question) == ["config"], "nobody else sees it"
        return told


@pytest.fixture
def course(tmp_path: Path) -> Course:
    folder = create(tmp_path / "coordinator", Settings(("localhost",)))
    write_sites(folder, (RegisteredSite("north", "1000", "SHA256:x"),))
    make_key_pair(tmp_path / "north.key", "north")
    out = folder.runs / "run"
    out.mkdir(parents=True)
    (out / LIVE).write_text(json.dumps({"sites": str(folder.sites_file)}))
    Ledger(out / LEDGER).write(*entries(1, 2, 3, 4))
    return Course(folder, out, tmp_path / "north.key")


@pytest.fixture
def audit(course: Course, capsys: pytest.CaptureFixture[str]) -> Audit:
    def ask(*more: str) -> tuple[int, str]:
        code = main(["coordinator", "audit", str(course.folder.root), str(course.out), *more])
        said = capsys.readouterr()
        return code, said.out + said.err

    return ask


def north(lines: int, digest: str = "ab" * 32, of: str = "north") -> Statement:
    return Statement(of, f"at {lines}", {"released": Head(lines, digest)})


def test_each_instruction_brings_the_ledger_s_head_and_each_reply_the_logs_(course: Course, audit: Audit) -> None:
    said = north(5).signed(course.key)
    (told,) = course.exchange(said)
    assert told.is_signed_by_authority(course.folder.authority) and told.heads["ledger"].lines == 4
    assert read_kept(course.folder.root / "heads" / "north.jsonl") == [said]
    assert read_kept(course.out / HEADS) == [told]
    code, text = audit()
    assert code == 0 and "ledger: 4 line(s), as they were written" in text and "(signed)" in text
    assert "north: told the heads of its logs at at 5 (lines: released 5)" in text
    assert json.loads(audit("--json")[1])["clean"]


def test_a_statement_that_is_not_the_site_s_own_is_not_kept(course: Course) -> None:
    changed = Statement(**{**north(5).signed(course.key).__dict__, "time": "later"})
    for strange in (north(5, of="south"), changed):
        course.exchange(strange)
    assert not (course.folder.root / "heads").exists()


def test_a_site_whose_log_became_shorter_or_other_is_named(course: Course, audit: Audit) -> None:
    course.exchange(north(5))
    course.exchange(north(3))
    code, text = audit()
    assert code == 1 and "north: released had 5 lines at at 5 and 3 at at 3; its own audit says where" in text
    course.exchange(north(9))
    course.exchange(north(9, "cd" * 32))
    assert audit()[0] == 1, "it is not forgotten"


def test_a_changed_or_cut_ledger_is_named(course: Course, audit: Audit, tmp_path: Path) -> None:
    (told,) = course.exchange(north(1))
    ledger, text = course.out / LEDGER, (course.out / LEDGER).read_text()
    for at in range(0, len(text), 5):
        ledger.write_text(text[:at] + ("7" if text[at] != "7" else "8") + text[at + 1 :])
        assert not verify(course.out, course.folder.authority).is_clean, at
    ledger.write_text(text.replace('"round": 2', '"round": 9'))
    code, said = audit()
    assert code == 1 and "ledger.jsonl was changed: line 2 does not follow" in said
    ledger.write_text("".join(text.splitlines(keepends=True)[:3]))
    assert "ledger.jsonl was cut off behind line 3: the statement of" in audit()[1]
    with (course.out / HEADS).open("a") as stream:
        stream.write("?")
    assert "ledger-heads.jsonl beside it was changed: a line of it is no statement" in audit()[1]
    (course.out / HEADS).unlink()
    code, said = audit()
    assert code == 0 and "no statement about it: the run was simulated, or is of an older version" in said
    (tmp_path / "held.jsonl").write_text(told.to_json() + "\n")
    code, said = audit("--held", str(tmp_path / "held.jsonl"))
    assert code == 1 and "cut off behind line 3" in said and "compared with what 1 site(s) kept" in said
    (tmp_path / "held.jsonl").write_text(told.to_json().replace("coordinator", "coordinatoR") + "\n")
    assert "has a signature that does not hold" in audit("--held", str(tmp_path / "held.jsonl"))[1]


def test_rounds_that_were_begun_again_stay_in_the_chain(course: Course, audit: Audit) -> None:
    course.exchange(north(1))
    resumed = Ledger(course.out / LEDGER, before=2)
    resumed.write(*entries(3, 4, 5))
    assert [one.round for one in read_entries(course.out / LEDGER)] == [1, 2, 3, 4, 5]
    code, said = audit()
    assert code == 0 and "2 line(s) of rounds that were begun again follow from it, too" in said
    Ledger(course.out / LEDGER, before=1).write(*entries(2))
    assert verify(course.out).lost == 6 and audit()[0] == 0
    lost = course.out / LOST
    lost.write_text(lost.read_text().replace('"round": 3', '"round": 8', 1))
    assert "ledger-lost.jsonl was changed: line 1 does not follow from the ledger" in audit()[1]
    lost.unlink()
    assert "cut off behind line 2" in audit()[1], "line 4 was told of"


def test_a_failure_that_was_noted_before_a_kill_follows_from_the_chain(course: Course, audit: Audit) -> None:
    path, noted = course.out / LEDGER, course.out / FAILURES
    course.exchange(north(1))
    lost, other, third = (replace(one, node=one.round, outcome="unreachable") for one in entries(5, 6, 7))
    killed = Ledger(path, before=4)
    for one in (lost, lost, other):  # asked again, it failed again
        killed.note_failure(one)
    killed.write(other)
    assert [json.loads(line)["round"] for line in noted.read_text().splitlines()] == [5], "the ledger has the other"
    with noted.open("a") as stream:
        stream.write('{"round": 8, ')  # the process was killed while it wrote
    resumed = Ledger(path, before=4)
    assert not noted.exists()
    assert [one.round for one in read_entries(path)] == [1, 2, 3, 4] == [one.round for one in resumed.entries]
    assert [one.round for one in read_entries(course.out / LOST)] == [6, 5]
    assert audit()[0] == 0 and verify(course.out).lost == 2
    resumed.note_failure(third)
    resumed.write(third)
    assert not noted.exists()
    assert [one.round for one in read_entries(path)] == [1, 2, 3, 4, 7] and audit()[0] == 0


def test_what_is_no_run_or_no_statement_is_refused(course: Course, audit: Audit, tmp_path: Path) -> None:
    course.exchange(north(1))
    code, said = audit("--held", str(course.folder.root / "heads" / "north.jsonl"))
    assert code == 2 and "is a site's statement about its own logs: `fedgraft site audit` takes it" in said
    code, said = audit("--held", str(tmp_path / "none"))
    assert code == 2 and "holds no statement about a ledger" in said
    (course.out / LEDGER).unlink()
    code, said = audit()
    assert code == 2 and "holds no ledger.jsonl: it is not the folder of a run" in said
