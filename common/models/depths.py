"""How deep below the head each trained tensor lies: the order of gradual unfreezing and layer-wise learning rates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fedgraft.common.adaptation.insertion import stage_of_layer
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.roles import BACKBONE, Role
from fedgraft.common.plan.sections import TrainSection


def depths(names: Iterable[str], stages: tuple[Stage, ...]) -> dict[str, int]:
    """The depth of each parameter, by name: 0 for the head, 1 for the last stage that has one, 2 for the one before it.

    Stages without a trained parameter are not counted. An adaptation layer belongs to the stage after which it is named
    (``adapters.blocks_3.scale``), or, if there is no such stage, to the head.

    Args:
        names: of trained parameters, in the model's state.
    """
    place = {BACKBONE + name: number for number, stage in enumerate(stages) for name in stage.tensors}
    known = {name: place.get(name, _adapted(name, stages)) for name in names}
    held = sorted({number for number in known.values() if number is not None}, reverse=True)
    depth = {number: held.index(number) + 1 for number in held}
    return {name: 0 if number is None else depth[number] for name, number in known.items()}


def names_of_depths(names: Iterable[str], stages: tuple[Stage, ...]) -> list[str]:
    """``head``, then the names of the stages with one of ``names``, from the last to the first (as `depths` counts)."""
    found = depths(names, stages)
    place = {BACKBONE + name: stage.name for stage in stages for name in stage.tensors}
    named = {0: "head"}
    for name, depth in found.items():
        number = _adapted(name, stages)
        named.setdefault(depth, place.get(name) or stages[number or 0].name)
    return [named[depth] for depth in sorted(named)]


def require_depths(
    train: TrainSection, rounds: int, parameters: Iterable[str], roles: Mapping[str, Role], stages: tuple[Stage, ...]
) -> None:
    """Refuse ``train.layer_decay`` or ``train.unfreeze`` where it would have no effect or leave stages untrained.

    Raises:
        PlanError: only the head is trained, or the rounds end before a stage is unfrozen.
    """
    if train.layer_decay == 1 and train.unfreeze == 0:
        return
    named = names_of_depths([name for name in parameters if roles[name] != "frozen"], stages)
    if len(named) == 1:
        option = "unfreeze" if train.unfreeze else "layer_decay"
        raise PlanError(
            f"train.{option} has no effect: only the head is trained; free a stage (backbone.freeze) or choose an "
            "adaptation"
        )
    never = named[opened(train, rounds) + 1 :]
    if never:
        raise PlanError(
            f"train.unfreeze={train.unfreeze} with rounds={rounds} never trains {', '.join(never)}; "
            f"use at least {train.unfreeze * (len(named) - 1) + 1} rounds, a smaller train.unfreeze, or freeze them"
        )


def opened(train: TrainSection, server_round: int) -> int:
    """How many stages below the head are trained in a round (counted from 1); may exceed the number of stages."""
    return 10**9 if train.unfreeze == 0 else (server_round - 1) // train.unfreeze


def _adapted(name: str, stages: tuple[Stage, ...]) -> int | None:
    """The index of the stage to which an adaptation layer's tensor belongs; ``None`` if to none."""
    stage = stage_of_layer(name, stages)
    return None if stage is None else stages.index(stage)
