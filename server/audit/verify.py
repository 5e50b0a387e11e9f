"""Verify a run's ledger: its chain, against the coordinator's own signed statement, and those that sites kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.common.errors import DataError
from fedgraft.common.logs.heads import Statement, is_damaged, read_kept
from fedgraft.common.logs.verifying import Found, verify_log
from fedgraft.common.runtime.chained import LINK, NUMBER, Head, digest_of
from fedgraft.common.runtime.files import whole_lines
from fedgraft.server.audit.heads import HEADS, LEDGER, LOST, ledger_chain


@dataclass(frozen=True)
class Audit:
    """Attributes:
    ledger: what was found of it.
    lost: how many lines of rounds that were cut short and begun again follow from the ledger's.
    strange: a sentence if one of these does not; else empty.
    statement: the coordinator's own newest; ``None`` if it never made one.
    damaged: whether a line of the file of its own statements can't be read any more.
    forged: statements whose signature does not hold.
    """

    ledger: Found
    lost: int
    strange: str
    statement: Statement | None
    damaged: bool
    forged: tuple[Statement, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.ledger.problem or self.strange or self.forged or self.damaged)


def verify(out: Path, authority: Path | None = None, held: Sequence[Statement] = ()) -> Audit:
    """Verify the ledger in a run's folder.

    Args:
        authority: the coordinator's ``ca.crt``, by which signatures are checked; ``None`` leaves them.
        held: what sites kept of the coordinator's statements about this run.

    Raises:
        DataError: the folder holds no ledger.
    """
    if not (out / LEDGER).is_file():
        raise DataError(f"{out} holds no {LEDGER}: it is not the folder of a run")
    own = read_kept(out / HEADS)
    forged = tuple(
        one
        for one in (*own, *held)
        if authority is not None and one.signature and not one.is_signed_by_authority(authority)
    )
    lost, strange = _begun_again(out)
    said = [one for one in (*own, *held) if one not in forged]
    found = verify_log("ledger", ledger_chain(out / LEDGER), said, frozenset(lost))
    return Audit(found, len(lost), strange, own[-1] if own else None, is_damaged(out / HEADS), forged)


def _begun_again(out: Path) -> tuple[list[Head], str]:
    """The heads of the lines that were written before a round was begun again, as far as they follow from the ledger's
    or from each other; and what is strange about the next, if there is one."""
    known = {lines: [digest] for lines, digest in _heads(out / LEDGER)}
    found: list[Head] = []
    for number, text in enumerate(whole_lines(out / LOST), 1):
        try:
            line = json.loads(text)
            head = Head(line[NUMBER], line[LINK])
            follows = any(digest_of(line, before) == head.digest for before in known.get(head.lines - 1, ()))
            whole = follows and json.dumps(line) == text
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            return found, f"{out / LOST} was changed: line {number} does not follow from the ledger"
        found.append(head)
        known.setdefault(head.lines, []).append(head.digest)
    return found, ""


def _heads(ledger: Path) -> Iterator[Head]:
    yield Head(0, "")
    try:
        for link in ledger_chain(ledger).walk():
            yield link.head
    except DataError:
        return
