"""Which learning rate each trained tensor has in a round: layer-wise decay, and gradual unfreezing.

Howard & Ruder, "Universal language model fine-tuning for text classification", ACL 2018, sections 3.2 and 3.3: stages
nearer to the input, whose features are more general, learn slower and later.
"""

from __future__ import annotations

from fedgraft.common.depths import depths, opened
from fedgraft.common.model import Model
from fedgraft.common.schema import Train


def rates(train: Train, model: Model, server_round: int) -> dict[str, float]:
    """Factors of the round's rate, by a parameter's name in ``model.constant.trained``, where it is not 1.

    ``layer_decay ** depth`` (`fedgraft.common.depths`), and 0 for what is not unfrozen yet.
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
