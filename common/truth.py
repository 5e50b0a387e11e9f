"""Words for yes and no in the cells of manifests and tables."""

from __future__ import annotations

_YES, _NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no"})


def truth(cell: str) -> bool | None:
    """Read a cell as yes or no, ignoring case; ``None`` if it is neither."""
    word = cell.strip().lower()
    return True if word in _YES else False if word in _NO else None
