"""A folder for what is worked on, which a killed process does not leave behind for long.

A process holds a lock on a file in its folder (`flock`), which the system releases when the process ends, however it
ends. Whoever makes such a folder beside it later removes those whose lock nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

_LOCK = ".alive"
_MAKING = "making-"
"""A part of the name of a folder that is not locked yet, and holds nothing."""


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """A new folder in ``parent``, for this account alone, that is removed when the block ends; what killed processes
    left there under this ``prefix`` is removed first."""
    remove_left_over(parent, prefix)
    made = Path(tempfile.mkdtemp(prefix=f"{prefix}{_MAKING}", dir=parent))
    with (made / _LOCK).open("w") as lock:
        folder = made
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = made.rename(parent / made.name.replace(_MAKING, "", 1))
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def remove_left_over(parent: Path, prefix: str) -> None:
    """Remove folders of `scratch_folder` whose process has ended. Other accounts' stay."""
    for folder in parent.glob(f"{prefix}*"):
        if folder.name.startswith(prefix + _MAKING):
            continue  # is about to be locked, and empty
        with suppress(OSError), (folder / _LOCK).open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within the block, SIGTERM and SIGHUP end this process as Ctrl-C does: what is open is closed, and scratch folders
    are removed. Processes that it forks end at once. Without effect outside the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
