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

KEY_BYTES = 32
ABSENT = -1


class Kept(Protocol):
    """Rows by key."""

    def places(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Where each key's row is in `rows`; `ABSENT` if it is not kept."""

    def add(self, keys: Sequence[bytes], rows: NDArray[np.floating]) -> None:
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

    def add(self, keys: Sequence[bytes], rows: NDArray[np.floating]) -> None:
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
        dtype: ``float32`` or ``float16``.
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

    def add(self, keys: Sequence[bytes], rows: NDArray[np.floating]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._catch_up()
        with self._index.open("a+b") as index:
            fcntl.flock(index, fcntl.LOCK_EX)
            self._catch_up()
            if not self._kind.is_file():
                self._kind.write_text(self._describe(), encoding="utf-8")
            fresh = _first_of_each(keys, self._place)
            values = np.ascontiguousarray(rows[list(fresh.values())], self._dtype)
            index.truncate(len(self._place) * KEY_BYTES)
            self._append(values.tobytes())
            index.write(b"".join(fresh))
            index.flush()
            os.fdatasync(index.fileno())
        self._place |= {key: len(self._place) + position for position, key in enumerate(fresh)}

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
    def _file(self) -> Path:
        return self.folder / "rows.bin"

    @property
    def _kind(self) -> Path:
        return self.folder / "kind.json"

    def _describe(self) -> str:
        return json.dumps({"shape": self._shape, "dtype": self._dtype.name})

    def _append(self, content: bytes) -> None:
        with self._file.open("r+b" if self._file.exists() else "w+b") as stream:
            stream.seek(len(self._place) * self._row_bytes)
            stream.truncate()
            stream.write(content)
            stream.flush()
            os.fdatasync(stream.fileno())

    def _catch_up(self) -> None:
        """Read the keys that were added since; put a damaged folder aside."""
        known = len(self._place)
        try:
            with self._index.open("rb") as stream:
                stream.seek(known * KEY_BYTES)
                content = stream.read()
        except FileNotFoundError:
            self._place = {}
            return
        except OSError as error:
            raise DataError(f"{self.folder} can't be read ({error.strerror}); is the disk full or gone?") from error
        keys = [content[at : at + KEY_BYTES] for at in range(0, len(content) - KEY_BYTES + 1, KEY_BYTES)]
        self._place |= {key: known + position for position, key in enumerate(keys)}
        if self._place and not self._is_whole(known + len(keys)):
            self._put_aside()

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
        self._place = {}
        logging.getLogger(__name__).warning("a store of kept features was damaged; they are computed again")


def _first_of_each(keys: Sequence[bytes], held: dict[bytes, int]) -> dict[bytes, int]:
    """Key -> its position in ``keys``, for those that are not held."""
    fresh: dict[bytes, int] = {}
    for position, key in enumerate(keys):
        if key not in held:
            fresh.setdefault(key, position)
    return fresh
