"""Make place for the folders of simulated sites: only folders that an earlier run has made are deleted.

Every site's folder that a run makes holds the file `MARK`. A folder without it may be a hospital's own, with images,
keys and state, and is never touched.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from fedgraft.common.errors import DataError

MARK = ".simulated"
_TEXT = "A simulated site. The next run in this place deletes the folder; without this file it would not.\n"
_ELSEWHERE = "choose another folder for the run (out=..., or hydra.run.dir=... on the command line)"


def require_apart(folder: Path, read: Iterable[Path]) -> None:
    """Check that nothing that a run reads lies in the folder into which it writes its sites.

    Args:
        folder: that of all sites.
        read: files and folders, absolute.

    Raises:
        DataError: something does; the message names the folder.
    """
    if not folder.exists():
        return
    folder = folder.resolve()
    parents: dict[str, Path] = {}
    for path in set(read):
        above = str(path.parent)
        if above not in parents:
            parents[above] = path.parent.resolve()
        places = [parents[above] / path.name, *([path.resolve()] if path.is_symlink() else [])]
        if any(place.is_relative_to(folder) for place in places):
            raise DataError(f"the data lies in {folder}, where this run would write its simulated sites; {_ELSEWHERE}")


def make_place(folder: Path, names: Iterable[str], keep_state: bool = False) -> None:
    """Delete the sites of an earlier run below ``folder``.

    Args:
        names: of the sites that will be written.
        keep_state: whether these sites' own ``state/`` stays, for a run that goes on.

    Raises:
        DataError: a folder is in the way that no run has made; nothing is deleted.
    """
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    marked = [path for path in there if not path.is_symlink() and (path / MARK).is_file()]
    taken = {*names}
    for path in there:
        if path not in marked and (path.name in taken or (path / "site.yaml").exists()):
            raise DataError(
                f"{path} is not a simulated site that an earlier run has made (it has no file {MARK}), and is not "
                f"deleted; {_ELSEWHERE}, or move it away"
            )
    for path in marked:
        if not keep_state or path.name not in taken:
            shutil.rmtree(path)


def mark(folder: Path) -> None:
    """Make a site's folder, and mark it as one that a run has made."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text(_TEXT, encoding="utf-8")
