"""Whether a run can go on in its folder."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import CheckpointError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.folder import Checkpoints


def is_complete(folder: Path, named: object = "") -> bool:
    """Whether the folder's run is complete, so that there is nothing to resume.

    Args:
        named: the folder as the user named it; ``None`` if no folder was named.

    Raises:
        CheckpointError: no folder was named, or no run was begun in it.
    """
    require_begun(folder, named, "plan.yaml")
    return Checkpoints(folder).ended


def require_begun(folder: Path, named: object, file: str = "runs") -> None:
    """Check that something was begun in a folder.

    Args:
        file: what is there then.

    Raises:
        CheckpointError: no folder was named, or nothing was begun in it.
    """
    if named is None:
        raise CheckpointError("resume needs the folder of what was interrupted: name it by out")
    if not (folder / file).exists():
        raise CheckpointError(f"{folder} holds nothing to resume (no {file}); name the folder of a run or a study")


def goes_on(folder: Path, plan: Plan) -> bool:
    """Whether a run of this plan was interrupted in a folder, after its first checkpoint."""
    try:
        return Checkpoints(folder).read().asked == plan.digest
    except CheckpointError:
        return False
