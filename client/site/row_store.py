"""Store what is computed once per case: rows of one shape by key, memory-mapped on disk or held in memory.

On disk, rows of one shape and dtype (a kind) are a folder: ``rows.bin`` holds the rows one after another, ``index.bin``
their keys (32 bytes each) in the same order, ``kind.json`` shape and dtype. A key is written only after its row has
reached the disk, and only rows with a key count: an interrupted write leaves rows without a key, which the next write
overwrites. Several processes may read and write at once; all that map the file share one copy of its pages.
"""

from __future__ import annotations

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
from fedgraft.common.runtime.files import locked, private_folder

KEY_BYTES = 32
ABSENT = -1
"""The place of a key that is not stored."""


class RowStore(Protocol):
    """Rows by key."""

    def places(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """The index of each key's row in `rows`, ``(N,)`` int64; `ABSENT` for a key that is not stored."""

    def add(self, keys: Sequence[bytes], rows: NDArray[np.number]) -> None:
        """Store ``rows`` ``(N, *shape)`` under their keys; a key that is stored already keeps its row."""

    def rows(self) -> Tensor:
        """All stored rows, ``(M, *shape)``. Must not be written to."""


class KeptInMemory:
    """Rows in memory, for as long as the process lives."""

    def __init__(self, shape: tuple[int, ...], dtype: str) -> None:
        self._place: dict[bytes, int] = {}
        self._rows = np.zeros((0, *shape), dtype)
        self._view: Tensor | None = None

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
        if self._view is None or len(self._view) != count:
            self._view = torch.from_numpy(self._rows[:count])
        return self._view


class KeptOnDisk:
    """Rows in a folder on disk.

    Args:
        folder: made at the first `add`.
        shape: of a row.
        dtype: a numpy dtype's name.
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
        with locked(self._lock):
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
            # copy on write: torch wants a writable array, but the file must not be written to
            mapped = np.memmap(self._file, self._dtype, "c", shape=(count, *self._shape))
            self._mapped = (count, torch.from_numpy(mapped))
        return self._mapped[1]

    @property
    def _index(self) -> Path:
        return self.folder / "index.bin"

    @property
    def _lock(self) -> Path:
        """The lock of the folder; unlike the other files it is never renamed."""
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
        """Read the keys that were added since the last call, by this or another process.

        Args:
            put_aside: whether to rename the files of a damaged folder, which needs the lock; if not, its rows count as
                absent.

        Raises:
            DataError: the folder can't be read, or rows that were in use are gone.
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
        """The bytes of the index after the keys that were read already.

        Raises:
            DataError: the index can't be read, or was removed or replaced.
        """
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
    """Write ``content`` at offset ``at``, cut the file off after it, and wait until it is on the disk."""
    with file.open("r+b" if file.exists() else "w+b") as stream:
        stream.seek(at)
        stream.truncate()
        stream.write(content)
        stream.flush()
        _to_disk(stream.fileno())


_to_disk = getattr(os, "fdatasync", os.fsync)


def _first_of_each(keys: Sequence[bytes], held: dict[bytes, int]) -> dict[bytes, int]:
    """The first position in ``keys`` of each key that is not in ``held``, by key."""
    fresh: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        if key not in held:
            fresh.setdefault(key, position)
    return fresh


class Store:
    """Opens each kind of rows once, so that all users in this process share it.

    Args:
        folder: where kinds are stored; ``None`` for in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._kinds: dict[tuple[str, str], RowStore] = {}

    def kind(self, namespace: str, shape: tuple[int, ...], dtype: str) -> RowStore:
        """The rows under ``namespace`` (a hexadecimal digest); ``dtype`` is a numpy dtype's name."""
        key = (namespace, dtype)
        if key not in self._kinds:
            self._kinds[key] = (
                KeptInMemory(shape, dtype)
                if self._folder is None
                else KeptOnDisk(self._folder / f"{namespace[:32]}-{dtype}", shape, dtype)
            )
        return self._kinds[key]
