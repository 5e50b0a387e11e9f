"""Whether a run can go on in its folder."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import CheckpointError
from fedgraft.common.plan.plan import Plan
from fedgraft.server.checkpoints.folder import Checkpoints


def nothing_left(folder: Path, plan: Plan, named: object, extend: int) -> bool:
    """Whether the folder's run of a plan is complete, and not to be extended.

    Args:
        named: the folder as the user named it; ``None`` if no folder was named.
        extend: rounds to add.

    Raises:
        CheckpointError: no folder was named, or no run was begun in it; it is of another plan; or it can't be extended.
    """
    require_begun(folder, named, "plan.yaml")
    if extend < 0:
        raise CheckpointError(f"extend={extend}: give a number of rounds, 1 or more")
    if not Checkpoints(folder).ended:
        if extend:
            raise CheckpointError(f"extend={extend} is for a run that is complete; resume {folder} without it first")
        return False
    Checkpoints(folder).read().require(plan, folder)
    return not extend


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
