"""The learning rate of a round, and its factor for each parameter."""

from __future__ import annotations

import math

from fedgraft.common.models.depths import depths, opened
from fedgraft.common.models.model import Model
from fedgraft.common.plan.sections import TrainSection


def learning_rate(train: TrainSection, server_round: int, rounds: int) -> float:
    """The rate in round ``server_round`` (from 1) of ``rounds``: constant, or half a cosine from ``lr`` towards 0."""
    if train.schedule == "constant":
        return train.lr
    return train.lr * 0.5 * (1 + math.cos(math.pi * (server_round - 1) / rounds))


def rates(train: TrainSection, model: Model, server_round: int) -> dict[str, float]:
    """Factors other than 1 of the round's rate, by parameter name in ``model.constant.trained``.

    ``layer_decay ** depth`` (`fedgraft.common.models.depths`), and 0 for parameters that are not unfrozen yet.
    """
    if train.layer_decay == 1 and train.unfreeze == 0:
        return {}
    own_name = model.constant.own_name
    names = [name for name, parameter in model.network.named_parameters() if parameter.requires_grad]
    last = opened(train, server_round)
    factors = {
        own_name(name): train.layer_decay**depth if depth <= last else 0.0
        for name, depth in depths(names, model.stages).items()
    }
    return {name: factor for name, factor in factors.items() if factor != 1}
