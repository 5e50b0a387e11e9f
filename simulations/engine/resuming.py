"""Whether a run can go on in its folder."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import CheckpointError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.folder import Checkpoints


def nothing_left(folder: Path, named: object, extend: int) -> bool:
    """Whether the folder's run is complete, and not to be extended.

    Args:
        named: the folder as the user named it; ``None`` if no folder was named.
        extend: rounds to add.

    Raises:
        CheckpointError: no folder was named, or no run was begun in it; or it can't be extended.
    """
    require_begun(folder, named, "plan.yaml")
    if extend < 0 or (extend and not Checkpoints(folder).ended):
        raise CheckpointError(f"extend={extend}: a number of rounds, for a run that is complete; resume {folder} first")
    return Checkpoints(folder).ended and not extend


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
