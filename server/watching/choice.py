"""Which run to watch: the one that is named, that which goes on, or the last."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import DeploymentError
from fedgraft.server.deployment.folder import REGISTERED, Folder
from fedgraft.server.deployment.open_runs import named_run, open_runs, submissions


def choose(folder: Folder, named: str | None) -> Path:
    """The folder of a run of a coordinator.

    Args:
        named: a folder, its name, or any of Flower's numbers of the run; ``None`` for the newest run that goes on, or
            else the last.

    Raises:
        DeploymentError: there is no such run, or none at all.
    """
    folder.settings()  # is a coordinator's
    going_on = list(open_runs(folder))
    if named is None:
        begun = [run.folder for run in going_on if run.folder.is_dir()]
        there = list(folder.runs.iterdir()) if folder.runs.is_dir() else []
        there += [Path(one.out) for one in submissions(folder)]
        found = begun or [path for path in there if (path / REGISTERED).is_file()]
        if not found:
            raise DeploymentError(
                f"no run has begun in {folder.root}; `fedgraft coordinator run` begins one (name the folder of one "
                "that was given another --out)"
            )
        return max(found, key=lambda out: (out / REGISTERED).stat().st_mtime)
    out = named_run(folder, named)
    if out is not None:
        return out
    elsewhere = [Path(one.out) for one in submissions(folder)]
    names = dict.fromkeys(out.name for out in (*sorted(folder.runs.glob("*")), *elsewhere))
    raise DeploymentError(f"there is no run {named}; the last ones: {', '.join([*names][-5:]) or 'none'}")
