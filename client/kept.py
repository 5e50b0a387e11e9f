"""What was computed once per case and is kept on disk: one SQLite file, safe for several processes.

Keys are digests, values are float32 arrays without their shape. A write is one transaction: a half-written entry is
never seen.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedgraft.client.manifest import Case
from fedgraft.common.errors import DataError

_MANY = 500


class Kept:
    """Arrays by key.

    Args:
        path: the file; made with its folder when first written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        """Those of ``keys`` that are kept; each array is flat."""
        if not self.path.is_file():
            return {}
        try:
            return self._read(keys)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise DataError(
                    f"{self.path} can't be read ({error}); is the disk full, or another run stuck?"
                ) from error
            self.path.replace(self.path.with_suffix(".damaged"))
            logging.getLogger(__name__).warning("the store of kept features was damaged; they are computed again")
            return {}

    def _read(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        with closing(self._connect()) as connection:
            for start in range(0, len(keys), _MANY):
                some = keys[start : start + _MANY]
                marks = ",".join("?" * len(some))
                rows = connection.execute(f"SELECT key, value FROM kept WHERE key IN ({marks})", some)
                found |= {key: np.frombuffer(value, "<f4") for key, value in rows}
        return found

    def write(self, arrays: Mapping[bytes, NDArray[np.float32]]) -> None:
        """Keep ``arrays``; a key that is there already stays as it is."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = ((key, array.astype("<f4").tobytes()) for key, array in arrays.items())
        with closing(self._connect()) as connection, connection:
            connection.executemany("INSERT OR IGNORE INTO kept VALUES (?, ?)", rows)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=60)
        connection.execute("CREATE TABLE IF NOT EXISTS kept (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
        return connection


def case_keys(cases: Iterable[Case], namespace: str) -> list[bytes]:
    """One key per case: changes with the namespace, the file (path, size, time of change) and the row.

    Raises:
        DataError: a file does not exist.
    """
    stamps: dict[str, str] = {}
    keys = []
    for case in cases:
        file = case.path.partition("::")[0]
        if file not in stamps:
            stamps[file] = _stamp(Path(file))
        keys.append(hashlib.sha256(f"{namespace}|{case.path}|{stamps[file]}|{case.row}".encode()).digest())
    return keys


def _stamp(file: Path) -> str:
    try:
        status = file.stat()
    except OSError as error:
        raise DataError(f"{file} does not exist or can't be read; correct the manifest's `path`") from error
    return f"{status.st_size}|{status.st_mtime_ns}"
