"""Digests of files' contents, remembered so that an unchanged file is not read again."""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xxhash

from fedgraft.client.site.row_store import ABSENT, RowStore, Store

DIGEST_BYTES = 32
_BLOCK = 1 << 18


class ContentIndex:
    """Digests of files by their stamps (path, size and times of change; for a folder, of each file)."""

    def __init__(self, store: Store) -> None:
        self._kept: RowStore = store.kind(hashlib.sha256(b"content-2").hexdigest(), (DIGEST_BYTES,), "uint8")

    def known(self, stamps: Sequence[bytes]) -> list[bytes | None]:
        """The digest for each stamp; ``None`` where it is not known."""
        places = self._kept.places(stamps)
        rows = self._kept.rows().numpy()
        return [None if place == ABSENT else rows[place].tobytes() for place in places]

    def add(self, stamps: Sequence[bytes], digests: Sequence[bytes]) -> None:
        rows = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST_BYTES)
        self._kept.add(stamps, rows)


def stamp_of(path: Path) -> bytes | None:
    """32 bytes that change with the file, or with any file of a folder; ``None`` if there is nothing to read."""
    try:
        parts = _files(path)
        seen = [(str(file), file.stat()) for file in parts]
    except OSError:
        return None
    if not all(stat.S_ISREG(status.st_mode) for _, status in seen):  # a device or a pipe may never end
        return None
    text = "|".join([str(path), *(f"{name}|{status.st_size}|{status.st_mtime_ns}" for name, status in seen)])
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def digest_of(path: Path) -> bytes:
    """32 bytes that differ where files do; of a folder, of its files' digests in the order of their names.

    XXH3 under two seeds: nobody forges files here, and SHA-256 takes longer than to decode an uncompressed one.

    Raises:
        OSError: it can't be read.
    """
    digests = []
    for file in _files(path):
        parts = [xxhash.xxh3_128(seed=seed) for seed in (0, 1)]
        with file.open("rb", buffering=0) as stream:
            while block := stream.read(_BLOCK):
                for part in parts:
                    part.update(block)
        digests.append(b"".join(part.digest() for part in parts))
    return digests[0] if not path.is_dir() else hashlib.sha256(b"".join(digests)).digest()


def _files(path: Path) -> list[Path]:
    """A folder's files without hidden ones, which no reader reads."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
