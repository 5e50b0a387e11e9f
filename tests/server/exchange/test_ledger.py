"""What the ledger tells of some of its entries is what a look at all of them gives."""

from __future__ import annotations

from pathlib import Path

from fedgraft.server.exchange.ledger import Entry, Ledger, What, read_entries


def entry(number: int, what: What, node: int, outcome: str = "ok", down: int = 10, up: int = 1) -> Entry:
    name, reason = f"site-{node}" if outcome == "ok" else f"node {node}", "" if outcome == "ok" else "it is away"
    return Entry(number, what, name, node, outcome, reason, 40, down, up)


ENTRIES = (
    entry(0, "prepare", 1),
    entry(0, "prepare", 2, "no-reply"),
    entry(1, "train", 1, down=100, up=7),
    entry(1, "secure", 1, down=20, up=3),
    entry(1, "evaluate", 1),
    entry(2, "train", 1, down=100, up=9),
    entry(2, "train", 2, "no-reply", down=100, up=0),
)


def test_entries_of_a_kind_refusals_and_bytes_by_hand(tmp_path: Path) -> None:
    written = Ledger(tmp_path / "ledger.jsonl")
    written.write(*ENTRIES[:2])
    written.write(*ENTRIES[2:])
    again = Ledger(tmp_path / "ledger.jsonl", before=len(ENTRIES))
    begun = Ledger(None, known=read_entries(tmp_path / "ledger.jsonl"))
    for ledger in (written, again, begun):
        assert ledger.entries == [*ENTRIES]
        assert [one.node for one in ledger.of("train")] == [1, 1, 2]
        assert list(ledger.of("moments")) == []
        assert ledger.round_bytes(1) == (10, 120), "training and the secure sum, without the evaluation"
        assert ledger.round_bytes(2) == (9, 200), "who did not answer was asked"
        assert ledger.round_bytes(3) == (0, 0)
        assert ledger.mean_bytes() == (10, 110), "(10 + 9) / 2 and (120 + 100) / 2, without those that did not answer"
        assert ledger.refusals(2) == ["  - node 2: no-reply (it is away)"]
        assert len(ledger.refusals()) == len(ledger.dropped()) == 2
        assert [ledger.name_of(node) for node in (1, 2)] == ["site-1", "node 2"]


def test_what_goes_on_after_some_lines_knows_only_those(tmp_path: Path) -> None:
    Ledger(tmp_path / "ledger.jsonl").write(*ENTRIES)
    ledger = Ledger(tmp_path / "ledger.jsonl", before=4)
    assert ledger.entries == [*ENTRIES[:4]]
    assert ledger.round_bytes(2) == (0, 0)
    assert len(ledger.refused) == 1
