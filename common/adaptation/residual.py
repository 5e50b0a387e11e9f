"""Residual adapters: a 1x1 convolution in parallel to each wider one (Rebuffi et al., CVPR 2018)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.adaptation.batch_norm import BatchNormMode
from fedgraft.common.adaptation.insertion import Place, sampled
from fedgraft.common.adaptation.parallel import ParallelLayers
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole


class ResidualConvolutions(Adaptation):
    """Parallel residual adapters (section 3): ``f * x + a * x`` with a 1x1 kernel ``a`` that starts at 0.

    ``a`` has as many groups as ``f``; for a depthwise convolution it is one number per channel. With ``role=shared``
    only frozen convolutions get one: a trained kernel can make the same change at its centre.

    Args:
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets layers.
        batch_norm: ``fedbn`` or ``silobn`` also keeps batch norm local; ``none`` leaves it alone.
    """

    def __init__(self, role: TrainedRole = "shared", stages: str = "all", batch_norm: BatchNormMode = "none") -> None:
        self.parallel = ParallelLayers(role, stages, batch_norm)

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert a layer in parallel to each convolution that is wider than its stride (a patch embedding is not).

        Raises:
            PlanError: there is no such convolution.
        """
        return self.parallel.insert(
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
    """The 1x1 convolution that goes with ``wide``: same channels, groups and stride; weights 0."""

    def __init__(self, wide: nn.Module) -> None:
        super().__init__()
        assert isinstance(wide, nn.Conv2d)
        self.weight = nn.Parameter(torch.zeros(wide.out_channels, wide.in_channels // wide.groups, 1, 1))
        self.stride, self.groups = wide.stride, wide.groups

    def forward(self, x: Tensor) -> Tensor:
        down, right = self.stride
        sampled = x[:, :, ::down, ::right]
        if self.weight.shape[1] == 1 and len(self.weight) == self.groups:
            # torch 2.14's depthwise convolution writes past its memory with a 1x1 kernel and channels-last inputs
            return sampled * self.weight.view(-1, 1, 1)
        return functional.conv2d(sampled, self.weight, groups=self.groups)


def _is_wide(module: nn.Module) -> bool:
    """Whether the kernel is wider than the stride. A patch embedding's is not: a 1x1 kernel would skip most pixels."""
    return isinstance(module, nn.Conv2d) and all(k > s for k, s in zip(module.kernel_size, module.stride, strict=True))


def _is_aligned(place: Place) -> bool:
    """Whether the convolution is padded so that the 1x1 convolution's output has the same size."""
    return isinstance(place.module, nn.Conv2d) and place.output_shape[2:] == sampled(
        place.input_shape, place.module.stride
    )
