"""``digests.json``: the SHA-256 of every other file of a model folder. A signature over it signs them all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fedgraft.common.errors import ModelError

DIGESTS, SIGNATURE = "digests.json", "signature"
EVALUATIONS = "evaluations"
"""A folder in a published model's at the coordinator: what sites found. No part of the model."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_AGAIN = "get the model again from where it came"


def file_digest(path: Path) -> str:
    """The SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_digests(folder: Path, names: Iterable[str]) -> None:
    """Write ``digests.json`` for the files of these names."""
    files = {name: file_digest(folder / name) for name in sorted(names)}
    (folder / DIGESTS).write_text(json.dumps({"format": 1, "files": files}, indent=2) + "\n", encoding="utf-8")


def verify(folder: Path, needed: Iterable[str]) -> frozenset[str]:
    """Check every file of a model folder; returns their names.

    Args:
        needed: names of files that every model folder has.

    Raises:
        ModelError: a file is missing, was changed, or is not one of those that were written; the message names it.
    """
    digests = read_digests(folder / DIGESTS)
    there = {path.name for path in folder.iterdir() if path.name != EVALUATIONS or not path.is_dir()}
    there -= {DIGESTS, SIGNATURE}
    for name in sorted({*digests, *needed}):
        if name not in there or not (folder / name).is_file():
            raise ModelError(f"{folder} lacks the file {name}; {_AGAIN}")
    if strange := sorted(there - set(digests)):
        raise ModelError(f"{folder} holds {strange[0]}, which is no file of the model; take it out of the folder")
    for name, expected in digests.items():
        if file_digest(folder / name) != expected:
            raise ModelError(f"{folder / name} is not as it was written: its SHA-256 is another; {_AGAIN}")
    return frozenset(digests)


def read_digests(path: Path) -> dict[str, str]:
    """The SHA-256 (hex) of each file of a model folder, by its name.

    Raises:
        ModelError: the file can't be read as digests, or names something that is not a plain file of the folder.
    """
    try:
        content: Any = json.loads(path.read_bytes())
        files = content["files"]
        known = content["format"] == 1 and all(isinstance(digest, str) for digest in files.values())
        known = known and all(_NAME.fullmatch(name) and name not in (DIGESTS, SIGNATURE) for name in files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        known, files = False, {}
    if not known:
        raise ModelError(f"{path} can't be read as the digests of a model's files; {_AGAIN}")
    return dict(files)
