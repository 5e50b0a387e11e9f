"""What a site keeps for itself in a run, as it was before each of the last rounds.

A coordinator that was interrupted asks for a round again. The site then starts from the same state as the first time,
so that the run ends with the same model as if nothing had happened.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from fedgraft.common.errors import CheckpointError
from fedgraft.common.runtime.files import private_folder

KEPT = 2
"""Rounds: a coordinator goes back by one more than it lost if its last checkpoint is damaged."""


def begin_round(files: Sequence[Path], before: Path, number: int) -> None:
    """Put a run's files back as they were before a round, if it was begun already; else keep them as they are now.

    Files must be replaced as a whole whenever they are written: what is kept are further names of them (hard links).

    Args:
        files: paths of all files that a round can change, in one folder; they need not be there.
        before: the folder for what is kept of this run.
        number: of the round, from 1.

    Raises:
        CheckpointError: the site has begun later rounds, and no longer has what was before this one.
    """
    rounds = _rounds(before)
    if number in rounds:
        _restore(files, before / str(number))
    elif any(later > number for later in rounds):
        raise CheckpointError(f"round {number} is asked for again, but this site has gone on to round {max(rounds)}")
    else:
        _keep(files, before, number)
    for other in rounds:
        if other > number or other <= number - KEPT:
            shutil.rmtree(before / str(other))


def _rounds(before: Path) -> list[int]:
    return [int(path.name) for path in before.iterdir() if path.name.isdecimal()] if before.is_dir() else []


def _keep(files: Sequence[Path], before: Path, number: int) -> None:
    partial = before / f".{number}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    private_folder(partial)
    for file in files:
        if file.is_file():
            _link(file, partial / file.name)
    partial.rename(before / str(number))


def _restore(files: Sequence[Path], kept: Path) -> None:
    for file in files:
        if not (kept / file.name).is_file():
            file.unlink(missing_ok=True)
            continue
        partial = file.with_name(f".{file.name}.restored")
        partial.unlink(missing_ok=True)
        _link(kept / file.name, partial)
        partial.replace(file)


def _link(source: Path, target: Path) -> None:
    """Another name for a file, or a copy where the file system has no hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
