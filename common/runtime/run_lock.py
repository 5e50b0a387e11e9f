"""The lock of a run's folder: held by the one process that writes into it, and free as soon as that process is gone."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedgraft.common.errors import CheckpointError

LOCK = "run.lock"
"""Holds the id of the process."""


@contextmanager
def run_lock(out: Path) -> Iterator[None]:
    """Hold the lock of a folder within the block.

    Raises:
        CheckpointError: another process holds it.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / LOCK).open("a+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise CheckpointError(
                f"process {(out / LOCK).read_text() or '?'} runs what is in {out}; wait for its end, or choose another "
                "folder"
            ) from error
        stream.truncate(0)
        stream.write(str(os.getpid()))
        stream.flush()
        yield


def is_free(out: Path) -> bool:
    """Whether no process holds the lock of a folder."""
    path = out / LOCK
    if not path.is_file():
        return True
    with path.open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
