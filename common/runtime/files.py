"""Files written whole or not at all, lines of JSON, and files and folders of this account alone."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path, *, private: bool = False, durable: bool = False) -> Iterator[Path]:
    """Within the block, a file beside ``path`` to write to; it takes that name when the block ends.

    A reader sees the old file or the whole new one. If the block raises, the old file stays as it is.

    Args:
        path: in a folder that is there.
        private: whether only this account can read the file (mode 0600).
        durable: whether the file is on the disk before it takes its name, so that it survives a power cut, too.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        partial.unlink(missing_ok=True)
        if private:
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        yield partial
        if durable:
            flush(partial)
        partial.replace(path)
        if durable:
            flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def append_json(path: Path, *lines: Mapping[str, Any]) -> None:
    """Add lines of JSON to a file, which is made if it is not there."""
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(json.dumps(line) + "\n" for line in lines)


def whole_lines(path: Path) -> list[str]:
    """The lines of a file that others append to; a last one that was cut off is left out. Empty if there is no file."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return text[: text.rfind("\n") + 1].splitlines()


def write_private(path: Path, content: bytes) -> None:
    """Create a file that only its owner can read; never overwrites.

    Raises:
        FileExistsError: it is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def make_once(path: Path, content: bytes) -> None:
    """Create a private file whole and on the disk, in a folder that is made if it is missing; of several processes that
    do so at the same time the first one's content stays, and so does a file that is there."""
    private_folder(path.parent)
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
    flush(partial)
    try:
        os.link(partial, path)
    except FileExistsError:  # another process was first
        pass
    finally:
        partial.unlink()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Within the block no other process is within one for the same file, which is made if it is missing."""
    with path.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def private_folder(path: Path) -> Path:
    """Make a folder and what is missing above it, readable by this account only; one that is there stays as it is."""
    if path.is_dir():
        return path
    for folder in [*(above for above in reversed(path.parents) if not above.exists()), path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return path
