"""Why a site is missing from a run that waits: it is not connected, or what the ledger says of its last answer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from fedgraft.common.causes import reported_code, what_to_do
from fedgraft.server.exchange.delivery import LATE
from fedgraft.server.exchange.ledger import Entry, Ledger

AWAY, NOT_ASKED, ANSWERED = "not-connected", "not-asked", "answered"
_WHAT = {
    AWAY: "its `fedgraft site start` does not run, or has no line to here; it is asked as soon as it is connected",
    NOT_ASKED: "it is connected, and is asked with the next try",
    ANSWERED: "it did its part; the others are missing",
}
BY_ITSELF_NEVER = frozenset(("bounds", "wrong-kind"))
"""What a site says to a plan as long as neither the plan nor its own file changes."""


@dataclass(frozen=True)
class Cause:
    """Why a site is missing.

    Attributes:
        code: what it reported, the ledger's outcome, or one of this file's.
        what: what is behind it, and what to do.
    """

    code: str
    what: str


def causes(names: Collection[str], connected: Collection[str], ledger: Ledger, number: int) -> dict[str, Cause]:
    """Why each of some sites is missing, sorted by name.

    Args:
        names: of those that are.
        connected: names of the sites that are connected.
        number: of the round; what was said two rounds before, or earlier, is over.
    """
    last: dict[str, Entry] = {}
    for entry in reversed(ledger.entries):
        is_late = entry.outcome == LATE  # it carries the round in which it was due
        if (entry.round < number - 1 and not is_late) or len(last) == len(names):
            break
        if entry.site in names and entry.what != "again" and not is_late:
            last.setdefault(entry.site, entry)
    return {name: _cause(last.get(name), name in connected) for name in sorted(names)}


def _cause(last: Entry | None, connected: bool) -> Cause:
    if not connected:
        return Cause(AWAY, _WHAT[AWAY])
    if last is None:
        return Cause(NOT_ASKED, _WHAT[NOT_ASKED])
    if last.outcome == "ok":
        return Cause(ANSWERED, last.reason or _WHAT[ANSWERED])
    code = reported_code(last.reason)
    return Cause(last.outcome, last.reason) if code is None else Cause(code, what_to_do(code))


def in_lines(found: Mapping[str, Cause]) -> Iterable[str]:
    """A line for each cause, with the sites that have it and what to do."""
    by_cause: dict[Cause, list[str]] = {}
    for name, cause in found.items():
        by_cause.setdefault(cause, []).append(name)
    for cause, names in by_cause.items():
        yield f"  {', '.join(names)}: {cause.code}: {cause.what}"


def refused_by_all(found: Mapping[str, Cause], expected: Collection[str]) -> str | None:
    """Why waiting is of no use: each site that should train refuses the plan for what neither time nor a person's yes
    changes; ``None`` if that is not so."""
    codes = {found[name].code if name in found else "" for name in expected}
    if not expected or not codes <= BY_ITSELF_NEVER:
        return None
    said = "; ".join(f"{', '.join(n for n in sorted(expected) if found[n].code == c)}: {c}" for c in sorted(codes))
    return f"every hospital refuses the plan as it is ({said}), and waiting changes nothing"
