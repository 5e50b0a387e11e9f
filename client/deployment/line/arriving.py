"""Pieces of a message are kept on disk until all are there, so that one whose line broke off goes on where it was.

Flower cuts arrays into pieces (of 1 MiB here: `fedgraft.common.runtime.flower`), each named by the SHA-256 of its
content, and forgets what it has when one does not arrive. The coordinator then sends the same again, in a message of
another name, but the pieces have theirs.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from fedgraft.common.runtime.files import private_folder, write_private

LEAST_BYTES = 1 << 16
"""Smaller pieces are sent again."""
TOGETHER = 2
"""So many pieces come at once: what of them is under way is lost with the line."""
_NAME = re.compile("[0-9a-f]{64}")


def keep_pieces(loop: Any, folder: Path) -> None:
    """Have a SuperNode keep the pieces of the message that it takes.

    Args:
        loop: Flower's module of the SuperNode's loop, in which ``pull_objects`` is replaced.
        folder: where they are kept; made when it is needed. Empty once a message is there.
    """
    pull = loop.pull_objects

    def pull_objects(
        object_ids: list[str], pull_object_fn: Callable[[str], bytes], **others: Any
    ) -> dict[str, bytes]:  # parameters have Flower's names
        _forget(folder, but=object_ids)

        def one(name: str) -> bytes:
            content = _kept(folder, name)
            if content is None:
                content = pull_object_fn(name)
                _keep(folder, name, content)
            return content

        found: dict[str, bytes] = pull(object_ids, one, **{"max_concurrent_pulls": TOGETHER, **others})
        _forget(folder)
        return found

    loop.pull_objects = pull_objects


def _kept(folder: Path, name: str) -> bytes | None:
    """A piece; ``None`` if it is not there, or not whole."""
    if not _NAME.fullmatch(name):
        return None
    try:
        content = (folder / name).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() == name:
        return content
    (folder / name).unlink(missing_ok=True)  # cut off while it was written
    return None


def _keep(folder: Path, name: str, content: bytes) -> None:
    """A disk that is full is no reason not to take the message."""
    if len(content) >= LEAST_BYTES and _NAME.fullmatch(name):
        with contextlib.suppress(OSError):
            write_private(private_folder(folder) / name, content)


def _forget(folder: Path, but: Collection[str] = ()) -> None:
    """Remove all pieces but some."""
    some = set(but)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name not in some:
                path.unlink(missing_ok=True)
