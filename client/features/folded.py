"""Batch norms folded into the convolutions before them: a frozen network with fewer operations.

A batch norm in eval mode is ``x * scale + shift`` by channel, with constant numbers; behind a convolution both are one
convolution (Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", CVPR 2018, section 3.2).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from fedgraft.common.kinds.lean_timm import import_timm
from fedgraft.common.models.frozen_part import Computation

_CONVOLUTIONS, _NORMS = (nn.Conv1d, nn.Conv2d), (nn.BatchNorm1d, nn.BatchNorm2d)
Norm = nn.BatchNorm1d | nn.BatchNorm2d
AT_ONCE = 64
"""Cases that a folded network computes at a time. At 64 pixels three times as many gain 7 % of the time, and what lies
between two layers then takes 250 MB more."""


def folded(computation: Computation, sample: Tensor) -> Computation | None:
    """The same with every batch norm folded whose input is what a convolution gave; ``None`` if there is none.

    Whether something else also uses what the convolution gave is not looked at: who builds this must compare.

    Args:
        sample: at least one case, ``(B, *shape)``.
    """
    pairs = _pairs(computation, sample[:1])
    if not pairs:
        return None
    tensors = [*computation.module.parameters(), *computation.module.buffers()]
    module = deepcopy(computation.module, {id(tensor): tensor for tensor in tensors})  # shared with the original
    for convolution, norm in pairs:
        _fold(module, convolution, norm)
    return replace(computation, module=module, others={})


def in_parts(computation: Computation) -> Callable[[Tensor], Tensor]:
    """The same, ``(B, *shape)`` -> ``(B, *kept)``, `AT_ONCE` cases at a time, which takes less memory.

    ``eager`` is not computed so: its last bits may depend on how many cases are computed together.
    """
    return lambda inputs: torch.cat([computation(some) for some in inputs.split(AT_ONCE)])


def _pairs(computation: Computation, sample: Tensor) -> list[tuple[str, str]]:
    """Paths of convolutions and of the batch norms whose input is what these gave, each called once."""
    modules = dict(computation.module.named_modules())
    if not any(isinstance(module, _ConvNd) for module in modules.values()):
        return []
    import_timm()
    from timm.layers.conv2d_same import Conv2dSame  # two seconds, which a network of tables does not need
    from timm.layers.norm_act import BatchNormAct2d

    gave: list[tuple[str, Tensor]] = []
    took: list[tuple[str, Tensor]] = []
    calls: dict[str, int] = {}

    def seen(path: str, into: list[tuple[str, Tensor]], tensor: object) -> None:
        calls[path] = calls.get(path, 0) + 1
        if isinstance(tensor, Tensor):
            into.append((path, tensor))

    with ExitStack() as stack:
        for path, module in modules.items():
            if module._forward_hooks or module._forward_pre_hooks:
                continue  # what a layer of ours changes there must stay visible
            if type(module) in (*_CONVOLUTIONS, Conv2dSame):
                stack.enter_context(
                    module.register_forward_hook(lambda _, __, output, path=path: seen(path, gave, output))
                )
            elif type(module) in (*_NORMS, BatchNormAct2d) and module.running_var is not None:
                stack.enter_context(module.register_forward_pre_hook(lambda _, x, path=path: seen(path, took, x[0])))
        computation(sample)
    makers = {id(tensor): path for path, tensor in gave}
    pairs = [(makers[id(tensor)], path) for path, tensor in took if id(tensor) in makers]
    return [pair for pair in pairs if calls[pair[0]] == calls[pair[1]] == 1]


def _fold(module: nn.Module, at: str, norm_at: str) -> None:
    """Fold a batch norm into a convolution of a network, by their paths; of the norm only its activation is left."""
    convolution, norm = module.get_submodule(at), module.get_submodule(norm_at)
    assert isinstance(convolution, nn.Conv1d | nn.Conv2d)
    assert isinstance(norm, Norm)
    with torch.no_grad():
        weight, bias = _affine(norm)
        shape = (-1, *([1] * (convolution.weight.ndim - 1)))
        scaled = (convolution.weight.double() * weight.view(shape)).to(convolution.weight.dtype)
        moved = bias if convolution.bias is None else bias + convolution.bias.double() * weight
    convolution.weight = nn.Parameter(scaled, requires_grad=False)
    convolution.bias = nn.Parameter(moved.to(scaled.dtype), requires_grad=False)
    left: nn.Module = nn.Identity()
    if type(norm) not in _NORMS:  # timm's, with both of these
        left = nn.Sequential(norm.get_submodule("drop"), norm.get_submodule("act"))
    parent, _, name = norm_at.rpartition(".")
    setattr(module.get_submodule(parent), name, left.eval())


def _affine(norm: Norm) -> tuple[Tensor, Tensor]:
    """What a batch norm in eval mode multiplies with and adds, ``(C,)`` float64 each."""
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = torch.rsqrt(norm.running_var.double() + norm.eps)
    if norm.weight is not None:
        scale = scale * norm.weight.double()
    shift = -norm.running_mean.double() * scale
    return scale, shift if norm.bias is None else shift + norm.bias.double()
