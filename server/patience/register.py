"""The coordinator's own list of sites, read again whenever it has changed: hospitals come and go during a run."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

Stamp = tuple[int, int, int]


class Register(Mapping[int, str]):
    """Names of sites by node id, as they are registered now.

    It counts as not empty, even without a site: nobody takes part who is not registered.

    Args:
        path: of the coordinator's ``sites.json``.
        first: the names to begin with; they stay as long as the file can't be read.
        left_out: node ids that the run never asks; they are no part of it.
    """

    def __init__(self, path: Path, first: Mapping[int, str], left_out: Collection[int] = ()) -> None:
        self._path, self._left_out = path, frozenset(left_out)
        self._names = {node: name for node, name in first.items() if node not in self._left_out}
        self._read_at: Stamp | None = None

    def __getitem__(self, node: int) -> str:
        return self._current()[node]

    def __iter__(self) -> Iterator[int]:
        return iter(dict(self._current()))

    def __len__(self) -> int:
        return len(self._current())

    def __bool__(self) -> bool:
        return True

    def _current(self) -> Mapping[int, str]:
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp != self._read_at:
                sites = json.loads(self._path.read_text(encoding="utf-8"))
                named = {int(site["node_id"]): str(site["name"]) for site in sites}
                self._names = {node: name for node, name in named.items() if node not in self._left_out}
                self._read_at = stamp
        except (OSError, ValueError, KeyError, TypeError):
            pass  # being restored from a backup, or on a disk that is away: those known before stay
        return self._names
