"""The ledger: a line for each message to a site, written as it happens: what was asked, the outcome, and bytes.

Its lines are a chain (`fedgraft.common.runtime.chained`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from fedgraft.common.runtime.chained import content_of
from fedgraft.common.runtime.files import append_json, private_folder, replacing, whole_lines
from fedgraft.server.audit.heads import LOST, ledger_chain

What = Literal[
    "describe",
    "prepare",
    "moments",
    "ranking",
    "sums",
    "initial",
    "train",
    "gradient",
    "unseen",
    "interpolate",
    "evaluate",
    "familiarity",
    "contribution",
    "secure",
    "again",
]
"""The kinds of messages, ``secure`` for the steps of a secure sum; and ``again``: that a site was asked again after an
accident."""

FAILURES = "ledger-failures.jsonl"
"""Beside the ledger, while there are any: failures of a question of which the ledger has no line yet. If the process is
lost before it has, the next start of the run takes them in."""

RECEIPTS = "receipts"
"""In a run's folder: the sites' consent receipts."""

LEARNING: tuple[What, ...] = ("train", "gradient")
"""What is asked of sites for the next model."""
CARRIED = (*LEARNING, "secure")  # bytes of a round

NOBODY_ELSE = "  - no other site is connected"
"""For an error's text, in the place of refusals."""


@dataclass(frozen=True)
class Entry:
    """One line of the ledger.

    Attributes:
        round: 0 before the first round.
        what: the kind of message.
        outcome: ``ok`` or the code of a refusal.
        reason: of a refusal, or why an ``ok`` answer holds less than was asked for.
        examples: training cases; ``None`` if the answer does not state them.
        bytes_down, bytes_up: of the content of the message and of its reply.
    """

    round: int
    what: What
    site: str
    node: int
    outcome: str
    reason: str
    examples: int | None
    bytes_down: int
    bytes_up: int


class Ledger:
    """The entries of a run, also written to ``ledger.jsonl``.

    Args:
        path: of the file, which is emptied; ``None`` keeps the ledger in memory only.
        registered: names of sites by node id, as the coordinator registered them; empty for a simulation.
        before: how many of the file's lines stay, since a run that was interrupted goes on; what it wrote after them,
            and what it left in `FAILURES`, moves to `LOST`, beside it.
        known: entries that it begins with, and does not write.
        called: names of sites by node id, where nobody is registered (a simulation).

    Attributes:
        entries: all, as they were written. Of thousands of sites over hundreds of rounds they are too many to be gone
            through in every round: `of`, `refused` and `round_bytes` look at some of them.
        refused: those that are not ``ok``.
    """

    def __init__(
        self,
        path: Path | None,
        registered: Mapping[int, str] = MappingProxyType({}),
        before: int = 0,
        known: Iterable[Entry] = (),
        called: Mapping[int, str] = MappingProxyType({}),
    ) -> None:
        self._path = path
        self._registered = registered
        self.entries: list[Entry] = []
        self.refused: list[Entry] = []
        self._by_what: dict[What, list[Entry]] = {}
        self._called = dict(called)
        self._bytes: dict[int, tuple[int, int]] = {}
        self._failures: list[Entry] = []
        self._note(known)
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            take_in_failures(path)
            lines = [f"{line}\n" for line in whole_lines(path)]
            if lines[before:]:
                with path.with_name(LOST).open("a", encoding="utf-8") as stream:
                    stream.writelines(lines[before:])
            with replacing(path) as partial:
                partial.write_text("".join(lines[:before]), encoding="utf-8")
            self._note(read_entries(path))

    def _note(self, entries: Iterable[Entry]) -> None:
        for one in entries:
            self.entries.append(one)
            self._by_what.setdefault(one.what, []).append(one)
            if one.outcome == "ok":
                self._called.setdefault(one.node, one.site)
            else:
                self.refused.append(one)
            if one.what in CARRIED:
                up, down = self._bytes.get(one.round, (0, 0))
                self._bytes[one.round] = up + one.bytes_up, down + one.bytes_down

    def of(self, what: What) -> Sequence[Entry]:
        """The entries of one kind of message."""
        return self._by_what.get(what, ())

    def write(self, *entries: Entry) -> None:
        self._note(entries)
        if self._path is not None:
            ledger_chain(self._path).append(*(entry.__dict__ for entry in entries))
            written = {(one.round, one.node) for one in entries}
            left = [one for one in self._failures if (one.round, one.node) not in written]
            if len(left) < len(self._failures):
                self._failures = left
                self._path.with_name(FAILURES).unlink(missing_ok=True)
                if left:
                    append_json(self._path.with_name(FAILURES), *(one.__dict__ for one in left))

    def note_failure(self, failure: Entry) -> None:
        """Keep a failure until the ledger has a line on what its site was asked, in case the process is lost before; of
        a site that was asked again, and failed again, once."""
        if self._path is not None and failure not in self._failures:
            self._failures.append(failure)
            append_json(self._path.with_name(FAILURES), failure.__dict__)

    def keep_receipt(self, node: int, site: str, text: str) -> None:
        """Keep a site's consent receipt as it came, in ``receipts/`` beside the file, by the name under which the node
        is registered, else by that which it gives; its last one counts."""
        if text and self._path is not None:
            site = self._registered.get(node, site)
            with replacing(private_folder(self._path.parent / RECEIPTS) / f"{site}.json", private=True) as partial:
                partial.write_text(text + "\n", encoding="utf-8")

    def name_of(self, node: int) -> str:
        """How a node is called that did not tell its name: by that under which it is registered; in a simulation, where
        nobody is, as the simulation calls it or it has called itself before."""
        if self._registered:
            return self._registered.get(node, f"node {node}")
        return self._called.get(node, f"node {node}")

    def refusals(self, number: int | None = None) -> list[str]:
        """For an error's text: a line for each entry that was not ``ok``, of one round or of all."""
        return [f"  - {e.site}: {e.outcome} ({e.reason})" for e in self.refused if number in (None, e.round)]

    def dropped(self) -> list[dict[str, object]]:
        """Every entry that was not ``ok``: round, what, site, outcome and reason."""
        return [
            {"round": e.round, "what": e.what, "site": e.site, "outcome": e.outcome, "reason": e.reason}
            for e in self.refused
        ]

    def round_bytes(self, round_: int) -> tuple[int, int]:
        """``(up, down)`` of a round's train or gradient messages and of the steps of its secure sums, over the sites
        that were asked."""
        return self._bytes.get(round_, (0, 0))

    def mean_bytes(self) -> tuple[int, int]:
        """``(up, down)`` per site and round: means over the train or gradient messages with an accepted reply, of which
        a site can have several in a round, with the steps of their secure sums."""
        learnt = {(e.round, e.node) for what in LEARNING for e in self.of(what) if e.outcome == "ok"}
        carried = [e for what in CARRIED for e in self.of(what)]
        good = [e for e in carried if e.outcome == "ok" and (e.round, e.node) in learnt]
        times = len(learnt)
        if not good:
            return 0, 0
        return round(sum(e.bytes_up for e in good) / times), round(sum(e.bytes_down for e in good) / times)


def take_in_failures(path: Path) -> None:
    """Add to a ledger's file the failures that a lost process had noted, and had written no line of.

    Raises:
        DataError: the file's last line is none that a ledger could have written.
    """
    noted = path.with_name(FAILURES)
    if found := [json.loads(line) for line in whole_lines(noted)]:
        ledger_chain(path).append(*found)
    noted.unlink(missing_ok=True)


def read_entries(path: Path) -> list[Entry]:
    """The whole lines of a ledger's file; a last one that was cut off is left out."""
    return [Entry(**content_of(json.loads(line))) for line in whole_lines(path)]
