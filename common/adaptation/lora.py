"""LoRA (Hu et al., ICLR 2022): a low-rank linear map in parallel to each linear layer and 1x1 convolution.

The peft package is not used: it replaces modules, which renames the backbone's tensors and so changes its digest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.batch_norm import BatchNormMode
from fedgraft.common.adaptation.insertion import Place, sampled
from fedgraft.common.adaptation.parallel import ParallelLayers
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole
from fedgraft.common.plan.types import Count, Positive


class Lora(Adaptation):
    """``W x + alpha / rank * B A x`` (section 4.1); ``A`` starts random, ``B`` at 0, so that nothing changes at first.

    With ``role=shared`` only frozen weights get one: a trained weight can make the same change itself.

    Args:
        rank: rank of ``B A``; at most the number of inputs or outputs of a layer.
        alpha: the added map is multiplied by ``alpha / rank``.
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` also keeps batch norm local; ``none`` leaves it alone.
    """

    def __init__(
        self,
        rank: Count,
        alpha: Positive,
        role: TrainedRole = "shared",
        stages: str = "all",
        batch_norm: BatchNormMode = "none",
    ) -> None:
        self.rank, self.scale = rank, alpha / rank
        self.parallel = ParallelLayers(role, stages, batch_norm)

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert a layer in parallel to each linear layer and each 1x1 convolution that is not grouped.

        Raises:
            PlanError: there is no such module.
        """
        return self.parallel.insert(
            backbone,
            stages,
            spec,
            _is_pointwise,
            lambda place: _layer(place, self.rank, self.scale) if _is_aligned(place) else None,
            "adaptation=lora has no effect: there is no linear layer or 1x1 convolution that it can act beside "
            "(with adaptation.role=shared only frozen ones count); set backbone.freeze=all and "
            "adaptation.stages=all, or use another adaptation",
        )


class _LowRank(nn.Module):
    """``scale * B A x`` of ``(..., F)``, or, with a convolution's ``stride``, of ``(B, C, H, W)``."""

    def __init__(self, inputs: int, outputs: int, rank: int, scale: float, stride: tuple[int, ...] | None) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.empty(rank, inputs))
        self.b = nn.Parameter(torch.zeros(outputs, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))
        self.scale = scale
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        if self.stride is None:
            return self.scale * functional.linear(functional.linear(x, self.a), self.b)
        low = functional.conv2d(x, self.a[:, :, None, None], stride=self.stride)
        return self.scale * functional.conv2d(low, self.b[:, :, None, None])


def _layer(place: Place, rank: int, scale: float) -> _LowRank:
    assert isinstance(place.module, nn.Linear | nn.Conv2d)
    outputs, inputs = place.module.weight.shape[:2]
    stride = place.module.stride if isinstance(place.module, nn.Conv2d) else None
    return _LowRank(inputs, outputs, min(rank, inputs, outputs), scale, stride)


def _is_pointwise(module: nn.Module) -> bool:
    if isinstance(module, nn.Conv2d):
        return module.kernel_size == (1, 1) and module.groups == 1
    return isinstance(module, nn.Linear)


def _is_aligned(place: Place) -> bool:
    """Whether a 1x1 convolution without padding would have an output of the same size; true of a linear layer."""
    return not isinstance(place.module, nn.Conv2d) or place.output_shape[2:] == sampled(
        place.input_shape, place.module.stride
    )
