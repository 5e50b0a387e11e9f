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
