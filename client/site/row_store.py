"""What was computed once per case and is kept: rows of one shape by key, memory-mapped on disk or held in memory.

On disk a kind of rows is a folder: ``rows.bin`` holds the rows one after another, ``index.bin`` their keys (32 bytes
each) in the same order, ``kind.json`` shape and dtype. A row counts once its key is written, and its key is written
only after the row has reached the disk: an interrupted write leaves rows without a key, which the next write
overwrites. Several processes may read and write at once; all that map the file share one copy of its pages.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import private_folder

KEY_BYTES = 32
ABSENT = -1


class RowStore(Protocol):
    """Rows by key."""

    def places(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Where each key's row is in `rows`; `ABSENT` if it is not kept."""

    def add(self, keys: Sequence[bytes], rows: NDArray[np.number]) -> None:
        """Keep ``rows`` ``(N, *shape)``; a key that is there already stays as it is."""

    def rows(self) -> Tensor:
        """``(M, *shape)``: every row that is kept now. Must not be written to."""


class KeptInMemory:
    """Rows that end with the process."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self._place: dict[bytes, int] = {}
        self._rows = np.zeros((0, *shape), dtype)
        self._shown: Tensor | None = None

    def places(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        return np.array([self._place.get(key, ABSENT) for key in keys], np.int64)

    def add(self, keys: Sequence[bytes], rows: NDArray[np.number]) -> None:
        fresh = _first_of_each(keys, self._place)
        count = len(self._place)
        if count + len(fresh) > len(self._rows):
            grown = np.zeros((max(2 * len(self._rows), count + len(fresh)), *self._rows.shape[1:]), self._rows.dtype)
            grown[:count] = self._rows[:count]
            self._rows = grown
        self._rows[count : count + len(fresh)] = rows[list(fresh.values())]
        self._place |= {key: count + position for position, key in enumerate(fresh)}

    def rows(self) -> Tensor:
        count = len(self._place)
        if self._shown is None or len(self._shown) != count:
            self._shown = torch.from_numpy(self._rows[:count])
        return self._shown


class KeptOnDisk:
    """Rows in a folder.

    Args:
        folder: made when first written to.
        shape: of a row.
        dtype: numpy's name of it.
    """

    def __init__(self, folder: Path, shape: tuple[int, ...], dtype: str) -> None:
        self.folder = folder
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._row_bytes = int(np.prod(shape)) * self._dtype.itemsize
        self._place: dict[bytes, int] = {}
        self._mapped: tuple[int, Tensor] = (0, torch.from_numpy(np.zeros((0, *shape), dtype)))

    def places(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        self._catch_up()
        return np.array([self._place.get(key, ABSENT) for key in keys], np.int64)

    def add(self, keys: Sequence[bytes], rows: NDArray[np.number]) -> None:
        private_folder(self.folder)
        with self._lock.open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._catch_up(put_aside=True)
            if not self._kind.is_file():
                self._kind.write_text(self._describe(), encoding="utf-8")
            fresh = _first_of_each(keys, self._place)
            values = np.ascontiguousarray(rows[list(fresh.values())], self._dtype)
            count = len(self._place)
            _append(self._file, count * self._row_bytes, values.tobytes())
            _append(self._index, count * KEY_BYTES, b"".join(fresh))
        self._place |= {key: count + position for position, key in enumerate(fresh)}

    def rows(self) -> Tensor:
        count = len(self._place)
        if self._mapped[0] != count:
            # copy on write: torch wants an array that could be written to, the file never is
            mapped = np.memmap(self._file, self._dtype, "c", shape=(count, *self._shape))
            self._mapped = (count, torch.from_numpy(mapped))
        return self._mapped[1]

    @property
    def _index(self) -> Path:
        return self.folder / "index.bin"

    @property
    def _lock(self) -> Path:
        """Never renamed, so that whoever holds it holds the folder."""
        return self.folder / "lock"

    @property
    def _file(self) -> Path:
        return self.folder / "rows.bin"

    @property
    def _kind(self) -> Path:
        return self.folder / "kind.json"

    def _describe(self) -> str:
        return json.dumps({"shape": self._shape, "dtype": self._dtype.name})

    def _catch_up(self, put_aside: bool = False) -> None:
        """Read the keys that were added since.

        Args:
            put_aside: whether a damaged folder may be put aside, which needs the lock; else its rows count as absent.

        Raises:
            DataError: it can't be read, or rows that were in use are gone.
        """
        known = len(self._place)
        content = self._unread()
        keys = [content[at : at + KEY_BYTES] for at in range(0, len(content) - KEY_BYTES + 1, KEY_BYTES)]
        if not keys:
            return
        self._place |= {key: known + position for position, key in enumerate(keys)}
        if self._is_whole(known + len(keys)):
            return
        if known:
            raise DataError(f"{self.folder} was damaged while it was in use; start again")
        self._place = {}
        if put_aside:
            self._put_aside()

    def _unread(self) -> bytes:
        """What the index holds behind the keys that are known."""
        last = next(reversed(self._place), b"")
        try:
            with self._index.open("rb") as stream:
                stream.seek(len(self._place) * KEY_BYTES - len(last))
                same = stream.read(len(last)) == last
                content = stream.read()
        except FileNotFoundError:
            same, content = not last, b""
        except OSError as error:
            raise DataError(f"{self.folder} can't be read ({error.strerror}); is the disk full or gone?") from error
        if not same:
            raise DataError(f"{self.folder} was removed or replaced while it was in use; start again")
        return content

    def _is_whole(self, count: int) -> bool:
        try:
            same_kind = self._kind.read_text(encoding="utf-8") == self._describe()
            return same_kind and self._file.stat().st_size >= count * self._row_bytes and len(self._place) == count
        except (OSError, UnicodeDecodeError):
            return False

    def _put_aside(self) -> None:
        for path in (self._index, self._file, self._kind):
            if path.exists():
                path.replace(path.with_name(f"{path.name}.damaged"))
        logging.getLogger(__name__).warning("a store of kept features was damaged; they are computed again")


def _append(file: Path, at: int, content: bytes) -> None:
    """Write ``content`` at a place, as the last of the file, and wait until it is on the disk."""
    with file.open("r+b" if file.exists() else "w+b") as stream:
        stream.seek(at)
        stream.truncate()
        stream.write(content)
        stream.flush()
        _to_disk(stream.fileno())


_to_disk = getattr(os, "fdatasync", os.fsync)


def _first_of_each(keys: Sequence[bytes], held: dict[bytes, int]) -> dict[bytes, int]:
    """Key -> its position in ``keys``, for those that are not held."""
    fresh: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        if key not in held:
            fresh.setdefault(key, position)
    return fresh


class Store:
    """Opens each kind once, so that all who ask share its rows.

    Args:
        folder: where kinds are kept; ``None`` holds them in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kinds: dict[tuple[str, str], RowStore] = {}

    def kind(self, namespace: str, shape: tuple[int, ...], dtype: str) -> RowStore:
        """The rows that ``namespace`` (hexadecimal) names; ``dtype`` is numpy's name of it."""
        key = (namespace, dtype)
        if key not in self._kinds:
            self._kinds[key] = (
                KeptInMemory(shape, dtype)
                if self._folder is None
                else KeptOnDisk(self._folder / f"{namespace[:32]}-{dtype}", shape, dtype)
            )
        return self._kinds[key]
