"""Whether a log is as it was written: its chain holds, and it reaches as far as what was said about it before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.common.logs.heads import Statement
from fedgraft.common.runtime.chained import BrokenChainError, Chain, Head


@dataclass(frozen=True)
class Found:
    """What was found about a log.

    Attributes:
        log: its name, as ``released``.
        lines: how many lines follow from each other, from the first.
        older: how many of them, at the beginning, have no digest of their own.
        torn: whether a last line was cut off while it was written, as a power cut does.
        problem: a sentence that names the first line which was changed, removed, added or cut off; empty if none.
    """

    log: str
    lines: int
    older: int = 0
    torn: bool = False
    problem: str = ""

    @property
    def sentence(self) -> str:
        older = f", the first {self.older} older than the chain" if self.older else ""
        torn = "; a last line was cut off while it was written, and counts for nothing" if self.torn else ""
        return self.problem or f"{self.lines} line(s){older}, as they were written{torn}"


def verify_log(log: str, chain: Chain, said: Sequence[Statement], beside: frozenset[Head] = frozenset()) -> Found:
    """Verify one log.

    Args:
        said: earlier statements about this side's logs, by itself or kept by the other side.
        beside: heads that it had before a run was begun again at an earlier line.
    """
    heads, older, problem = [Head(0, "")], 0, ""
    try:
        for link in chain.walk():
            heads.append(link.head)
            older += not link.chained
    except BrokenChainError as error:
        problem = str(error)
    if not problem:
        told = ((one, one.heads[log]) for one in said if log in one.heads)
        wrong = [(head.lines, one) for one, head in told if not _has(heads, head) and head not in beside]
        problem = "" if not wrong else _said(chain, len(heads) - 1, *min(wrong, key=lambda pair: pair[0]))
    return Found(log, len(heads) - 1, older, chain.torn(), problem)


def _has(heads: Sequence[Head], head: Head) -> bool:
    return head.lines < len(heads) and heads[head.lines] == head


def _said(chain: Chain, lines: int, claimed: int, statement: Statement) -> str:
    when = f"the statement of {statement.time} by {statement.of}"
    if claimed > lines:
        return f"{chain.path} was cut off behind line {lines}: {when} knows {claimed} lines"
    return f"{chain.path} was changed at line {claimed} or before, and its chain made anew: {when} has another digest"
