"""A log whose lines hang together: each holds the SHA-256 of the one before and of itself, so that a line which was
changed, removed, added in between or put elsewhere is found. That the last lines were cut off shows only to whoever
knows the newest digest (`Chain.newest`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import append_json, flush, locked, private_folder, whole_lines

LINK = "chain"
"""The field of a line that holds the digest."""


@dataclass(frozen=True)
class Chain:
    """A file of JSON lines."""

    path: Path

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line; it is on the disk when this returns. A last line that was cut off while it was written goes.

        Raises:
            DataError: the file was changed.
        """
        private_folder(self.path.parent)
        with locked(self.path.with_suffix(".lock")):
            lines = self.read()
            if self.path.is_file() and not self.path.read_bytes().endswith(b"\n"):
                self.path.write_text("".join(f"{one}\n" for one in whole_lines(self.path)), encoding="utf-8")
            append_json(self.path, {**line, LINK: digest_of(line, _last(lines))})
            flush(self.path)

    def read(self) -> list[dict[str, Any]]:
        """All lines, each with its `LINK`; empty if there is no file.

        Raises:
            DataError: the file was changed; names the first line that does not follow from those before.
        """
        found: list[dict[str, Any]] = []
        for number, text in enumerate(whole_lines(self.path), 1):
            try:
                line = json.loads(text)
                whole = line[LINK] == digest_of(line, _last(found))
            except (ValueError, KeyError, TypeError):
                whole = False
            if not whole:
                raise DataError(
                    f"{self.path} was changed: line {number} does not follow from the lines before it; bring it back "
                    "from a copy of the state folder"
                )
            found.append(line)
        return found

    def newest(self) -> str:
        """The digest of the last line; empty if there is none.

        Raises:
            DataError: as `read`.
        """
        return _last(self.read())


def digest_of(line: Mapping[str, Any], before: str) -> str:
    """The digest of a line behind one of digest ``before``."""
    content = json.dumps({key: value for key, value in line.items() if key != LINK}, sort_keys=True)
    return hashlib.sha256(f"{before}\n{content}".encode()).hexdigest()


def _last(lines: list[dict[str, Any]]) -> str:
    return str(lines[-1][LINK]) if lines else ""
