"""How deep below the head each trained tensor lies: the order in which stages are unfrozen and their rates decay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fedgraft.common.adaptation.insertion import stage_of_layer
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.roles import BACKBONE, Role
from fedgraft.common.plan.sections import TrainSection


def depths(names: Iterable[str], stages: tuple[Stage, ...]) -> dict[str, int]:
    """0 for the head, 1 for the last stage that holds one of ``names``, 2 for the one before it, and so on.

    An adaptation layer lies in the stage after which it is named (``adapters.blocks_3.scale``); one that belongs to no
    stage is trained like the head.

    Args:
        names: of trained parameters, in the model's state.
    """
    place = {BACKBONE + name: number for number, stage in enumerate(stages) for name in stage.tensors}
    known = {name: place.get(name, _adapted(name, stages)) for name in names}
    held = sorted({number for number in known.values() if number is not None}, reverse=True)
    depth = {number: held.index(number) + 1 for number in held}
    return {name: 0 if number is None else depth[number] for name, number in known.items()}


def names_of_depths(names: Iterable[str], stages: tuple[Stage, ...]) -> list[str]:
    """``head``, then the names of the stages that `depths` counts, from the last to the first."""
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
    """Refuse rates by stage that would have no effect.

    Raises:
        PlanError: only the head is trained, or the rounds end before a free stage's turn.
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
    """How many of the stages below the head are trained in a round (1-based), if there are so many."""
    return 10**9 if train.unfreeze == 0 else (server_round - 1) // train.unfreeze


def _adapted(name: str, stages: tuple[Stage, ...]) -> int | None:
    """The number of the stage to which an adaptation layer belongs."""
    stage = stage_of_layer(name, stages)
    return None if stage is None else stages.index(stage)
