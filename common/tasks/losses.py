"""Which losses suit a task: a loss class names its tasks in ``tasks``; one that names none is for classification."""

from __future__ import annotations

from collections.abc import Iterable

from fedgraft.common import parts, tasks
from fedgraft.common.errors import PlanError
from fedgraft.common.plan import Plan
from fedgraft.common.schema import Loss
from fedgraft.common.schema_data import Data


def misfit(found: object, loss: Loss, data: Data) -> str | None:
    """What is wrong with ``loss``, which names the class ``found``, for the task of ``data``; ``None`` if nothing."""
    meant = getattr(found, "tasks", ("classification",))
    if data.task in meant:
        return None
    return (
        f"loss._target_={loss.target} is for data.task={' or '.join(meant)}, not {data.task}; "
        f"set loss={tasks.of(data).loss}"
    )


def require_suited(plan: Plan, allowed: Iterable[str] = parts.OURS) -> None:
    """Refuse a plan whose loss is for another task. A loss of a package that is not allowed here is left to the sites.

    Raises:
        PlanError: says what to set.
    """
    if not plan.loss.target.startswith(tuple(f"{package}." for package in allowed)):
        return
    problem = misfit(parts.resolve(plan.loss.target, "loss", allowed), plan.loss, plan.data)
    if problem is not None:
        raise PlanError(problem)
