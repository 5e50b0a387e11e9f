"""Create files and folders that only this account can read."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, content: bytes) -> None:
    """Create a file that only its owner can read; never overwrites.

    Raises:
        FileExistsError: it is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def private_folder(path: Path) -> Path:
    """Make a folder and its missing parents, readable by this account only; existing ones are not changed."""
    for folder in [*(above for above in reversed(path.parents) if not above.exists()), path]:
        folder.mkdir(mode=0o700, exist_ok=True)
    return path
