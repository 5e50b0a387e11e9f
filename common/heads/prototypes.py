"""Start the head from the class means of features: it predicts the class with the nearest mean.

Snell et al., "Prototypical networks for few-shot learning", NeurIPS 2017, section 2.3 (squared distances as a linear
layer); Qi et al., "Low-shot learning with imprinted weights", CVPR 2018, section 3.2 (directions).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.features.class_sums import SUMS, class_sums
from fedgraft.common.heads.linear_shape import BIAS, WEIGHT, is_linear
from fedgraft.common.interfaces.head_start import COUNTS, StartsFromSums, Sums
from fedgraft.common.plan.choice_names import choice_of_part
from fedgraft.common.plan.types import Positive

MARGIN = 2.0


class Prototypes(StartsFromSums):
    """Starts a head from the class means ``m_c`` of its inputs, as if all classes were equally common.

    The logits of a head with a bias start as ``-|x - m_c|^2 / (2 t)``, up to a term that is the same for all classes.
    ``t`` makes the logit of a case at its class's mean exceed another class's by ``margin``, on average over all pairs
    of classes, whatever the number of features. A head without a bias (cosine) starts with the directions of the means
    and has its own scale.

    Args:
        margin: above 0; ``None`` for 2. Only for a head with a bias.
    """

    def __init__(self, margin: Positive | None) -> None:
        self.margin = MARGIN if margin is None else margin

    @staticmethod
    def misfit(head: nn.Module, options: Mapping[str, Any]) -> str:
        if not is_linear(head, needs_bias=False):
            name = choice_of_part("head", type(head))
            return f"head={name} has not one weight per class and feature; use head=linear or head=cosine"
        if BIAS not in dict(head.named_parameters()) and options.get("margin") is not None:
            return "initial.margin has no effect on a head without a bias; set it to null, and see head.scale"
        return ""

    def sums(self, features: Tensor, labels: Tensor, classes: int) -> Sums:
        """Cases and sums of features by class: ``counts (C,)``, ``sums (C, F)``."""
        return class_sums(features, labels, classes)

    def head(self, sums: Sums, built: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The head's ``weight (C, F)``, and ``bias (C,)`` if it has one.

        Raises:
            PlanError: the class means are all the same.
        """
        means = sums[SUMS] / sums[COUNTS][:, None]
        if BIAS not in built:
            return {WEIGHT: functional.normalize(means).to(built[WEIGHT].dtype)}
        weight, bias = nearest_mean(means, self.margin)
        return {WEIGHT: weight.to(built[WEIGHT].dtype), BIAS: bias.to(built[BIAS].dtype)}


def nearest_mean(means: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Weight ``(C, F)`` and bias ``(C,)``, float64, of the linear classifier by the nearest of ``means (C, F)``.

    Args:
        margin: as for `Prototypes`.

    Raises:
        PlanError: the means are all the same.
    """
    spread = torch.pdist(means).square().mean()
    if not spread > 0:
        raise PlanError("initial: the class means are all the same, features tell no class from another; use another")
    temperature = spread / (2 * margin)
    centre = means.mean(dim=0)
    lengths = means.square().sum(dim=1) - centre.square().sum()
    return (means - centre) / temperature, -lengths / (2 * temperature)
