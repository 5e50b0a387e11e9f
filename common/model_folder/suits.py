"""Whether a graft suits the model of another plan: the same tensors beside the same frozen part, for the same task."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from fedgraft.common import tensors
from fedgraft.common.errors import PlanError
from fedgraft.common.model_folder.graft import Graft
from fedgraft.common.models.model import Model
from fedgraft.common.plan.plan import Plan

_NAMED = 6


def require_suited(graft: Graft, plan: Plan, model: Model) -> None:
    """
    Args:
        model: of the plan, as built.

    Raises:
        PlanError: names every tensor that one of the two lacks, or has in another shape; or says what else differs.
    """
    here, there = model.tensors(model.received), graft.tensors
    if not set(here) & set(there):
        raise PlanError(
            f"start_from: {graft.run} has none of the tensors that this plan trains ({_some(here)}); its own are "
            f"{_some(there)}"
        )
    problems = [*_lacking(graft, here), *_different(graft, here)]
    if not problems and graft.frozen != tensors.digest(model.tensors(model.names("frozen"))):
        problems.append(
            f"start_from: {graft.run} was trained on another backbone ({graft.plan.backbone.name}, or other weights of "
            f"it) than this plan's ({plan.backbone.name})"
        )
    problems += _other_task(graft, plan)
    if problems:
        raise PlanError(problems)


def _lacking(graft: Graft, here: dict[str, Tensor]) -> Iterable[str]:
    to_do = "head, adaptation, alignment, features and backbone.freeze must be as they were there"
    if missing := sorted(set(here) - set(graft.tensors)):
        yield f"start_from: {graft.run} lacks {_some(missing)}, which this plan trains; {to_do}"
    if beyond := sorted(set(graft.tensors) - set(here)):
        yield f"start_from: this plan has no {_some(beyond)}, which {graft.run} trained; {to_do}"


def _different(graft: Graft, here: dict[str, Tensor]) -> Iterable[str]:
    for name in sorted(set(here) & set(graft.tensors)):
        one, other = graft.tensors[name], here[name]
        if (one.shape, one.dtype) != (other.shape, other.dtype):
            yield f"start_from: {name} is {_shape(one)} in {graft.run}, and {_shape(other)} in this plan"


def _other_task(graft: Graft, plan: Plan) -> Iterable[str]:
    before, now = graft.plan.data, plan.data
    if before.task != now.task:
        yield f"start_from: {graft.run} was trained with data.task={before.task}, and this plan has {now.task}"
    elif before.classes != now.classes and sorted(before.classes) == sorted(now.classes):
        yield (
            f"start_from: the classes of {graft.run} are in another order ({', '.join(before.classes)}); set "
            f"data.classes=[{','.join(before.classes)}]"
        )


def _shape(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _some(names: Iterable[str]) -> str:
    """The names; of many the first few, and how many there are."""
    known = sorted(names)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more
