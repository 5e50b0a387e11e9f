"""Who may read what FedGraft writes: the account that runs it, and nobody else. This is the one place that decides.

`private_files` is around every ``fedgraft`` command and every simulation from Python, so that it holds for whatever is
written there, also by libraries, and by the programs that are started there (Flower's, the gateway, the processes of
messages), which inherit it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOT_OTHERS = 0o077
_OTHERS_READ, _OTHERS_PASS = stat.S_IROTH, stat.S_IXOTH


@contextmanager
def private_files() -> Iterator[None]:
    """Within the block, new files of this process and its children have mode 0600, new folders 0700."""
    before = os.umask(_NOT_OTHERS)
    try:
        yield
    finally:
        os.umask(before)


def close_to_others(folder: Path) -> bool:
    """Give a folder that is there mode 0700, after which nobody else gets at what is in it, whatever its modes.

    Returns:
        whether others could get in before.
    """
    mode = stat.S_IMODE(folder.stat().st_mode)
    if not mode & _NOT_OTHERS:
        return False
    folder.chmod(mode & ~_NOT_OTHERS)
    return True


def open_to_others(path: Path) -> bool:
    """Whether every account of this machine can read a file, or list a folder: it may, and it may pass through all
    folders above. False for what is not there, or what this account can't look at."""
    try:
        real = path.resolve(strict=True)
        return bool(real.stat().st_mode & _OTHERS_READ) and all(
            above.stat().st_mode & _OTHERS_PASS for above in real.parents
        )
    except OSError:
        return False
