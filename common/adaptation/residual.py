"""Residual adapters: a 1x1 convolution beside each wider one (Rebuffi et al., CVPR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.batch_norm import BatchNormMode
from fedgraft.common.adaptation.insertion import Place, sampled
from fedgraft.common.adaptation.parallel import Beside
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole


class ResidualConvolutions(Adaptation):
    """Parallel residual adapters (section 3): ``f * x + a * x`` with ``a`` of 1x1; starts at ``a = 0``.

    ``a`` has the groups of ``f``: beside a depthwise convolution it is one number per channel. With ``role=shared``,
    only beside frozen weights: a trained one can make the same change at its centre.

    Args:
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` makes batch norm local besides.
    """

    def __init__(self, role: TrainedRole = "shared", stages: str = "all", batch_norm: BatchNormMode = "none") -> None:
        self.beside = Beside(role, stages, batch_norm)

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert a layer beside each convolution wider than 1x1, but those that cut an image into patches.

        Raises:
            PlanError: there is none.
        """
        return self.beside.insert(
            backbone,
            stages,
            spec,
            _is_wide,
            lambda place: _Pointwise(place.module) if _is_aligned(place) else None,
            "adaptation=residual has no effect: there is no convolution wider than its stride that it can act "
            "beside (with adaptation.role=shared only frozen ones count); set backbone.freeze=all and "
            "adaptation.stages=all, or use adaptation=lora",
        )


class _Pointwise(nn.Module):
    def __init__(self, beside: nn.Module) -> None:
        super().__init__()
        assert isinstance(beside, nn.Conv2d)
        self.weight = nn.Parameter(torch.zeros(beside.out_channels, beside.in_channels // beside.groups, 1, 1))
        self.stride, self.groups = beside.stride, beside.groups

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        sampled = x[:, :, ::down, ::right]
        if self.weight.shape[1] == 1 and len(self.weight) == self.groups:
            # not a depthwise convolution: torch 2.14's writes past its memory with a 1x1 kernel in channels-last order
            return sampled * self.weight.view(-1, 1, 1)
        return functional.conv2d(sampled, self.weight, groups=self.groups)


def _is_wide(module: nn.Module) -> bool:
    """Whether neighbouring outputs see common inputs. A patch embedding's do not: its centre is one pixel of many."""
    return isinstance(module, nn.Conv2d) and all(k > s for k, s in zip(module.kernel_size, module.stride, strict=True))


def _is_aligned(place: Place) -> bool:
    """Whether the convolution pads so that the 1x1's output has its size."""
    return isinstance(place.module, nn.Conv2d) and place.output_shape[2:] == sampled(
        place.input_shape, place.module.stride
    )
