"""Folders that hold what patients' data became: for this account alone."""

from __future__ import annotations

from pathlib import Path


def private_folder(path: Path) -> Path:
    """Make a folder and what is missing above it, readable by this account only; one that is there stays as it is."""
    for folder in [*(above for above in reversed(path.parents) if not above.exists()), path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return path
