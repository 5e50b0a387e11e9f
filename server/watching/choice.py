"""Which run to watch: the one that is named, that which goes on, or the last."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.folder import REGISTERED, Folder
from fedgraft.server.deployment.open_runs import open_runs


def choose(folder: Folder, named: str | None) -> Path:
    """The folder of a run of a coordinator.

    Args:
        named: a folder, the name of one in ``runs/``, or Flower's number of a run that goes on; ``None`` for the newest
            run that goes on, or else the last.

    Raises:
        DeploymentError: there is no such run, or none at all.
    """
    folder.settings()  # is a coordinator's
    going_on = list(open_runs(folder))
    if named is None:
        begun = [run.folder for run in going_on if run.folder.is_dir()]
        there = list(folder.runs.iterdir()) if folder.runs.is_dir() else []
        found = begun or [path for path in there if (path / REGISTERED).is_file()]
        if not found:
            raise DeploymentError(
                f"no run has begun in {folder.root}; `fedgraft coordinator run` begins one (name the folder of one "
                "that was given another --out)"
            )
        return max(found, key=lambda out: (out / REGISTERED).stat().st_mtime)
    by_number = [run.folder for run in going_on if named in (run.run_id, run.name)]
    for out in (*by_number, folder.runs / named, Path(named)):
        if out.is_dir():
            return out.resolve()
    known = ", ".join(sorted(path.name for path in folder.runs.glob("*"))[-5:]) or "none"
    raise DeploymentError(f"there is no run {named}; the last ones in {folder.runs}: {known}")
