"""The words with which a manifest says that a finding is there, or that an event came."""

from __future__ import annotations

_YES, _NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})


def truth(cell: str) -> bool | None:
    """What a cell says, in any case of letters; ``None`` if it is none of the words."""
    word = cell.strip().lower()
    return True if word in _YES else False if word in _NO else None
