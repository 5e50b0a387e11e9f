"""Processes and their children, as Linux knows them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")


def below(parent: int, words: str = "") -> list[int]:
    """The children of a process whose command line holds ``words``."""
    found = []
    for entry in PROC.iterdir():
        try:
            if not entry.name.isdecimal():
                continue
            above = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            if above == parent and words in (entry / "cmdline").read_text(encoding="utf-8", errors="replace"):
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def tree(root: int) -> Iterator[int]:
    """A process and all that it started, directly or not."""
    yield root
    for child in below(root):
        yield from tree(child)


def alive(pid: int) -> bool:
    return (PROC / str(pid)).exists()
