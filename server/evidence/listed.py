"""Many hospitals in a sentence: the first ones, how many more, and where the whole list is."""

from __future__ import annotations

from collections.abc import Sequence

MOST = 40
"""So many hospitals are listed one by one."""
WEAKEST = 10
"""Of more, so many."""
WHOLE = "summary.json and rounds_sites.csv have all"


def some_of(parts: Sequence[str], between: str = ", ") -> str:
    """All parts, or of more than `MOST` the first ones and how many more there are."""
    if len(parts) <= MOST:
        return between.join(parts)
    return f"{between.join(parts[:WEAKEST])} and {len(parts) - WEAKEST:,} more ({WHOLE})"
