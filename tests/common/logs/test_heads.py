"""What one side says about its logs, signed, and what the other keeps of it; and a log verified by that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flwr.app import ConfigRecord, RecordDict

from fedgraft.client.site.keys import make_key_pair
from fedgraft.common.errors import WireError
from fedgraft.common.logs.heads import Statement, keep_newest, read_kept, statement_from
from fedgraft.common.logs.travelling import put_into, taken_from
from fedgraft.common.logs.verifying import verify_log
from fedgraft.common.runtime.chained import Chain, Head
from fedgraft.server.deployment.pki import make_authority

DIGEST = "ab" * 32


def said(lines: int, digest: str = DIGEST, time: str = "2026-11-30T04:00:00Z") -> Statement:
    return Statement("north", time, {"released": Head(lines, digest)})


def test_a_site_s_signature_holds_for_what_was_said_only(tmp_path: Path) -> None:
    make_key_pair(tmp_path / "key", "north")
    signed = said(3).signed(tmp_path / "key")
    assert statement_from(signed.to_json()) == signed and signed.is_signed_by_own_key()
    for other in (replace(signed, of="south"), replace(signed, heads={"released": Head(2, DIGEST)}), said(3)):
        assert not other.is_signed_by_own_key()


def test_the_coordinator_s_signature_is_that_of_its_authority(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make_authority(tmp_path / f"{name}.crt", tmp_path / f"{name}.key")
    signed = said(3).signed(tmp_path / "one.key")
    assert signed.is_signed_by_authority(tmp_path / "one.crt")
    assert not signed.is_signed_by_authority(tmp_path / "two.crt")
    assert not replace(signed, time="").is_signed_by_authority(tmp_path / "one.crt")


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "x" * 5000,
        said(1).to_json().replace("released", "../released"),
        said(1).to_json().replace("[1", "[-1"),
        said(1).to_json().replace(DIGEST, "cd"),
        said(1).to_json().replace('"of": "north"', '"of": 1'),
        said(1).to_json().replace('"of"', '"off"'),
    ],
)
def test_what_is_no_statement_is_refused(text: str) -> None:
    with pytest.raises(WireError, match="a statement about the heads of logs can't be read"):
        statement_from(text)


def test_a_statement_travels_beside_what_is_said_and_is_taken_out() -> None:
    content = RecordDict({"config": ConfigRecord({"a": 1})})
    sent = put_into(content, said(3))
    assert list(content) == ["config"] and sent["config"] is content["config"]
    assert taken_from(sent) == said(3)
    assert list(sent) == ["config"] and taken_from(sent) is None
    strange = RecordDict({"log-heads": ConfigRecord({"statement": "?"})})
    with pytest.raises(WireError):
        taken_from(strange)
    assert not strange


def test_the_newest_is_kept_and_what_it_does_not_follow_from(tmp_path: Path) -> None:
    path = tmp_path / "heads" / "north.jsonl"
    assert read_kept(path) == []
    for lines in (1, 2, 5):
        keep_newest(path, said(lines))
    assert read_kept(path) == [said(5)]
    keep_newest(path, said(4))
    keep_newest(path, said(6))
    assert read_kept(path) == [said(5), said(6)], "cut off and grown again: the digest of line 5 is still known"
    keep_newest(path, said(6, "cd" * 32))
    keep_newest(path, said(7))
    assert read_kept(path) == [said(5), said(6), said(7)]
    path.write_text("damaged\n" + said(1).to_json() + "\n")
    assert read_kept(path) == [said(1)]


def test_a_log_is_verified_as_far_as_others_know_it(tmp_path: Path) -> None:
    chain = Chain(tmp_path / "released.jsonl", durable=False)
    heads = [chain.append({"number": number}) for number in range(5)]
    known = Statement("north", "2026-11-30T04:00:00Z", {"released": heads[3], "errors": Head(7, DIGEST)})
    assert verify_log("released", chain, [known]).sentence == "5 line(s), as they were written"
    lines = chain.path.read_text().splitlines(keepends=True)
    chain.path.write_text("".join(lines[:4]) + lines[4][:10])
    assert verify_log("released", chain, [known]).sentence == (
        "4 line(s), as they were written; a last line was cut off while it was written, and counts for nothing"
    )
    chain.path.write_text("".join(lines[:2]))
    assert verify_log("released", chain, []).problem == "", "a chain alone can't tell"
    found = verify_log("released", chain, [known])
    assert "was cut off behind line 2: the statement of 2026-11-30T04:00:00Z by north knows 4 lines" in found.problem
    assert verify_log("released", chain, [known], frozenset({heads[3]})).problem == ""
    for number in (7, 8, 9):
        chain.append({"number": number})
    problem = verify_log("released", chain, [known]).problem
    assert "was changed at line 4 or before, and its chain made anew" in problem
    chain.path.write_text("".join([*lines[:1], lines[1].replace("1,", "7,"), *lines[2:]]))
    assert "was changed: line 2 does not follow" in verify_log("released", chain, [known]).sentence
    chain.path.write_text('{"older": 1}\n')
    assert verify_log("released", chain, []).sentence == (
        "1 line(s), the first 1 older than the chain, as they were written"
    )
