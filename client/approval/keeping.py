"""Plans that wait for a person, or that ask for more than this site's ``bounds``, are kept: the newest of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

MOST_KEPT, MOST_BYTES = 100, 16 << 20
"""Of plans that nobody has approved, and their bytes: of more, the oldest are removed."""


def newest_in(folder: Path) -> list[Path]:
    """The plans that are kept in a folder, the newest first."""
    return sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)


def trim(newest: Sequence[Path]) -> None:
    """Remove the oldest of too many, or of too many bytes; the newest stays."""
    total = 0
    for place, path in enumerate(newest):
        total += path.stat().st_size
        if place and (place >= MOST_KEPT or total > MOST_BYTES):
            path.unlink()
