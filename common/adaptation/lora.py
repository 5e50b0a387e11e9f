"""LoRA (Hu et al., ICLR 2022): a map of low rank beside each linear layer and 1x1 convolution.

Not peft's: that replaces modules, and so renames the tensors of the backbone that a digest and a site's copy go by.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.batch_norm import BatchNormMode
from fedgraft.common.adaptation.insertion import Place, sampled
from fedgraft.common.adaptation.parallel import Beside
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole
from fedgraft.common.plan.types import Count, Positive


class Lora(Adaptation):
    """``W x + alpha / rank * B A x`` (section 4.1); ``A`` is drawn, ``B`` is 0: starts as identity.

    With ``role=shared``, only beside frozen weights: a trained one can make the same change itself.

    Args:
        rank: of ``B A``; of a layer with fewer inputs or outputs, their number.
        alpha: scale, divided by ``rank``.
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` makes batch norm local besides.
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
        self.beside = Beside(role, stages, batch_norm)

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert a layer beside each linear layer and 1x1 convolution that is not grouped.

        Raises:
            PlanError: there is none.
        """
        return self.beside.insert(
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
    """``(..., F)``, or ``(B, C, H, W)`` with the ``stride`` of a convolution."""

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
    """Whether a convolution has no padding; a linear layer is always."""
    return not isinstance(place.module, nn.Conv2d) or place.output_shape[2:] == sampled(
        place.input_shape, place.module.stride
    )
