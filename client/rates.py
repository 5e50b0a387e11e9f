"""Which learning rate each trained tensor has in a round: layer-wise decay, and gradual unfreezing."""

from __future__ import annotations

from fedgraft.common.model import Model
from fedgraft.common.schema import Train


def rates(train: Train, model: Model, server_round: int) -> dict[str, float]:
    """Factors of the round's rate, by a parameter's name in ``model.constant.trained``, where it is not 1."""
    return {}
