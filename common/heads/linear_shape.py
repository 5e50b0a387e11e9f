"""Which heads are one linear layer, so that their weights can be computed directly."""

from __future__ import annotations

from torch import nn

WEIGHT, BIAS = "weight", "bias"


def is_linear(head: nn.Module, needs_bias: bool) -> bool:
    """Whether a head's only parameters are ``weight (C, F)`` and, if ``needs_bias``, ``bias (C,)`` (else optional)."""
    shapes = {name: tuple(parameter.shape) for name, parameter in head.named_parameters()}
    weight, bias = shapes.pop(WEIGHT, ()), shapes.pop(BIAS, None)
    fits = bias == weight[:1] or (bias is None and not needs_bias)
    return len(weight) == 2 and fits and not shapes


def width_of(head: nn.Module, features: int) -> int:
    """How many numbers of a case the weights of a head see: all ``features``, or fewer that it makes of them."""
    weight = dict(head.named_parameters()).get(WEIGHT)
    return features if weight is None or weight.ndim != 2 else weight.shape[1]
