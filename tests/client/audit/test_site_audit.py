"""`fedgraft site audit`: what was changed in a log is named; and what a site says and keeps with each message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.audit.heads import HEADS, LOGS, chain_of, keep_ledger, say_heads
from fedgraft.client.audit.runs import note_run
from fedgraft.client.audit.verify import verify
from fedgraft.client.site.keys import make_key_pair
from fedgraft.client.site.log_names import RELEASED
from fedgraft.client.site.release import append_line
from fedgraft.client.site.site_file import Coordinator, SiteFile, read_site_file, write_site_file
from fedgraft.common.cli import main
from fedgraft.common.errors import WireError
from fedgraft.common.logs.heads import Statement, keep_newest, read_kept
from fedgraft.common.runtime.chained import MOST_BYTES, Head
from fedgraft.server.deployment.pki import make_authority

Audit = Callable[..., tuple[int, str]]


@pytest.fixture
def site(tmp_path: Path) -> SiteFile:
    """A site with a line in each of four logs, and a signed statement of them."""
    make_authority(tmp_path / "ca.crt", tmp_path / "ca.key")
    make_key_pair(tmp_path / "coordinator.key", "north")
    (tmp_path / "manifest.csv").write_text("image,label,patient\n")
    coordinator = Coordinator("host:1", tmp_path / "ca.crt", tmp_path / "coordinator.key")
    site = SiteFile("north", tmp_path / "manifest.csv", tmp_path / "state", coordinator=coordinator)
    write_site_file(tmp_path / "site.yaml", site)
    site = read_site_file(tmp_path / "site.yaml")
    for number in range(3):
        append_line(site.state / RELEASED, "update", 7, round=number)
    note_run(site.state, 7, "ab" * 32)
    Decisions(site).write("approved", "ab" * 32, "Dr. Grey", {})
    chain_of(site.state, "errors").append({"kind": "DataError", "where": []})
    say_heads(site)
    return site


@pytest.fixture
def audit(site: SiteFile, capsys: pytest.CaptureFixture[str]) -> Audit:
    def ask(*more: str) -> tuple[int, str]:
        code = main(["site", "audit", "--site", str(site.state.parent / "site.yaml"), *more])
        said = capsys.readouterr()
        return code, said.out + said.err

    return ask


def test_logs_as_they_were_written(site: SiteFile, audit: Audit) -> None:
    code, said = audit()
    assert code == 0
    assert "released: 3 line(s), as they were written" in said and "approvals: 1 line(s)" in said
    assert "the site's own statement is of" in said and "(signed)" in said
    assert "withdrawals" not in said, "there is none yet"
    _, said = audit("--json")
    assert json.loads(said)["clean"] and [one["log"] for one in json.loads(said)["logs"]] == list(LOGS)


def test_any_change_of_one_character_in_any_log_is_found(site: SiteFile) -> None:
    for path in sorted(site.state.glob("*.jsonl")):
        content = path.read_bytes()
        for at in range(0, len(content), 1 if path.stem == "runs" else 9):
            path.write_bytes(content[:at] + (b"7" if content[at : at + 1] != b"7" else b"8") + content[at + 1 :])
            assert not verify(site.state).is_clean, (path.name, at)
        path.write_bytes(content[:-1])
        if path.name == HEADS:
            assert verify(site.state).damaged
        else:
            assert "cut off behind" in "".join(one.problem for one in verify(site.state).logs)
        path.write_bytes(content)
    assert verify(site.state).is_clean


def test_a_damaged_file_of_statements_is_named(site: SiteFile, audit: Audit) -> None:
    with (site.state / HEADS).open("a") as stream:
        stream.write("?\n")
    code, said = audit()
    assert code == 1 and "heads.jsonl was changed: a line of it is no statement of this site" in said


def test_what_was_cut_off_shows_by_what_the_coordinator_kept(site: SiteFile, audit: Audit, tmp_path: Path) -> None:
    """Whoever has the site's machine can make its own statement anew; not that which the other side keeps."""
    keep_newest(tmp_path / "north.jsonl", say_heads(site))
    log = site.state / RELEASED
    log.write_text("".join(log.read_text().splitlines(keepends=True)[:2]))
    code, said = audit()
    assert code == 1 and "released.jsonl was cut off behind line 2: the statement of" in said
    (site.state / HEADS).unlink()
    assert verify(site.state).statement is None
    code, said = audit()
    assert code == 0 and "no signed statement yet" in said
    code, said = audit("--held", str(tmp_path / "north.jsonl"))
    assert code == 1 and "knows 3 lines" in said and "compared with what the coordinator kept at" in said


def test_a_statement_of_another_site_or_key_is_refused(site: SiteFile, audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    code, said = audit("--held", str(tmp_path / "empty.jsonl"))
    assert code == 2 and "holds no statement about logs" in said
    keep_newest(tmp_path / "south.jsonl", replace(say_heads(site), of="south"))
    code, said = audit("--held", str(tmp_path / "south.jsonl"))
    assert code == 2 and "is about south, and this site is north" in said
    keep_newest(tmp_path / "changed.jsonl", replace(say_heads(site), time="2020"))
    code, said = audit("--held", str(tmp_path / "changed.jsonl"))
    assert code == 1 and "a statement of 2020 by north has a signature that does not hold" in said


def test_what_the_coordinator_says_of_its_ledger_is_kept_by_run(site: SiteFile, audit: Audit, tmp_path: Path) -> None:
    said = Statement("coordinator", "2026", {"ledger": Head(2, "ab" * 32)}).signed(tmp_path / "ca.key")
    keep_ledger(site, 7, said)
    assert read_kept(site.state / "ledgers" / "7.jsonl") == [said]
    assert f"kept of the coordinator's ledger: {site.state / 'ledgers' / '7.jsonl'}" in audit()[1]
    for strange in (replace(said, time="2027"), replace(said, of="north", signature="")):
        with pytest.raises(WireError, match="is not signed by the coordinator's authority"):
            keep_ledger(site, 7, strange)


def test_a_site_without_a_key_says_so(site: SiteFile, capsys: pytest.CaptureFixture[str]) -> None:
    assert say_heads(replace(site, coordinator=None)).signature == ""
    damaged = site.state / RELEASED
    damaged.write_text("?\n")
    assert set(say_heads(site).heads) == {"approvals", "errors", "runs"}, "missed by who knows of it"
    assert "cut off behind line 0" not in capsys.readouterr().out


def test_a_thousand_rounds_stay_under_20_mb(tmp_path: Path) -> None:
    """A round of a network with 100 trained tensors: an update and two evaluations with their histograms."""
    tensors = {f"blocks.{number // 8}.attn.qkv.lora_{number % 8}.weight": 12.345678 for number in range(100)}
    figures = {"cases": 250, "auroc": 0.912345, "scores": [[12] * 64, [12] * 64]}
    append_line(tmp_path / RELEASED, "update", 2**63, tensors=tensors, evaluations={"val": figures, "test": figures})
    line = (tmp_path / RELEASED).stat().st_size
    note_run(tmp_path, 2**63, "ab" * 32)
    aside = 2 * (tmp_path / "runs.jsonl").stat().st_size
    assert 1000 * (line + aside) < 20e6
    assert MOST_BYTES < 20e6 / 4, "a file that is put aside is a small part of it"
