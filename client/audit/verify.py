"""Verify a site's logs: each chain, against the site's own signed statement, and against those that others kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.audit.heads import HEADS, LOGS, chain_of
from fedgraft.common.logs.heads import Statement, is_damaged, read_kept
from fedgraft.common.logs.verifying import Found, verify_log


@dataclass(frozen=True)
class Audit:
    """Attributes:
    logs: what was found of each log.
    statement: the site's own newest; ``None`` if it never made one.
    damaged: whether a line of the file of its own statements can't be read any more.
    forged: statements, its own or kept by others, whose signature does not hold.
    """

    logs: tuple[Found, ...]
    statement: Statement | None
    damaged: bool
    forged: tuple[Statement, ...]

    @property
    def is_clean(self) -> bool:
        return not (self.forged or self.damaged) and not any(one.problem for one in self.logs)


def verify(state: Path, held: Sequence[Statement] = ()) -> Audit:
    """Verify the logs in a site's state folder.

    Args:
        held: what the coordinator kept of this site's statements.
    """
    own = read_kept(state / HEADS)
    forged = tuple(one for one in (*own, *held) if one.signature and not one.is_signed_by_own_key())
    said = [one for one in (*own, *held) if one not in forged]
    logs = tuple(verify_log(log, chain_of(state, log), said) for log in LOGS)
    return Audit(logs, own[-1] if own else None, is_damaged(state / HEADS), forged)
