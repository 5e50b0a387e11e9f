"""Domain-adaptation layers: what they are and where they go.

Each acts on a backbone that is otherwise frozen. An adaptation is a callable
``(backbone, stages, spec) -> Adapted``; it says which tensors it governs and which role it claims for them;
`fedgraft.common.roles` decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fedgraft.common.backbone import Shaped
from fedgraft.common.errors import PlanError
from fedgraft.common.stages import Stage

Role = Literal["frozen", "shared", "local"]


@dataclass(frozen=True)
class Adapted:
    """What an adaptation did.

    Attributes:
        layers: new modules, by a name without dots; their tensors are ``adapters.<name>.*``.
        claims: role by name, for tensors of the backbone's own state.
        training_modules: paths of backbone modules that use batch statistics while training.
    """

    layers: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    claims: dict[str, Role] = field(default_factory=dict)
    training_modules: frozenset[str] = frozenset()


@runtime_checkable
class Adaptation(Protocol):
    """What a plan's ``adaptation._target_`` must be."""

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted: ...


class LocalBatchNorm(Adaptation):
    """Batch norm statistics stay at the site; affine parameters stay too (FedBN, Li et al., ICLR 2021),
    or are trained together (SiloBN, Andreux et al., DART 2020).

    Args:
        affine: ``local`` for FedBN, ``shared`` for SiloBN.
    """

    def __init__(self, affine: Role) -> None:
        if affine not in ("local", "shared"):
            raise PlanError(f"adaptation.affine={affine} must be local (FedBN) or shared (SiloBN)")
        self.affine: Role = affine

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Claim every batch norm of the backbone.

        Raises:
            PlanError: the backbone has none.
        """
        norms = batch_norms(backbone)
        if not norms:
            raise PlanError(
                "adaptation: local batch norm has no effect, the backbone has no batch norm; use adaptation=ssf"
            )
        claims: dict[str, Role] = {}
        for path, module in norms.items():
            claims |= {f"{path}.{name}": "local" for name, _ in module.named_buffers()}
            claims |= {f"{path}.{name}": self.affine for name, _ in module.named_parameters()}
        return Adapted(claims=claims, training_modules=frozenset(norms))


class ScaleAndShift(Adaptation):
    """SSF (Lian et al., NeurIPS 2022): ``scale * x + shift`` per channel after each stage; starts as identity."""

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert one layer after each stage.

        Raises:
            PlanError: a stage has no single tensor as its output (the message names it), or there is no stage.
        """
        if not stages:
            raise PlanError("adaptation=ssf has no effect: the backbone has no stage; use adaptation=none")
        axes = _output_channels(backbone, stages, spec)
        layers = nn.ModuleDict()
        for stage in stages:
            if stage.output is None or stage.output not in axes:
                raise PlanError(f"adaptation=ssf can't follow stage {stage.name}: its output is not one tensor")
            width, axis = axes[stage.output]
            layer = _ScaleAndShift(width, axis)
            layers[stage.name.replace(".", "_")] = layer
            backbone.get_submodule(stage.output).register_forward_hook(_applies(layer))
        return Adapted(layers=layers)


class _ScaleAndShift(nn.Module):
    def __init__(self, width: int, axis: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width))
        self.axis = axis

    def forward(self, x: Tensor) -> Tensor:
        shape = [1] * x.ndim
        shape[self.axis] = -1
        return x * self.scale.view(shape) + self.shift.view(shape)


def batch_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Every batch norm with running statistics, by module path."""
    return {
        path: module
        for path, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    }


def _applies(layer: nn.Module) -> Callable[[nn.Module, object, Tensor], Tensor]:
    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        adapted: Tensor = layer(output)
        return adapted

    return hook


def _output_channels(backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> dict[str, tuple[int, int]]:
    """``(width, axis)`` of each stage's output, seen in one forward pass of a blank image."""
    channels_last = getattr(backbone, "output_fmt", "NCHW") == "NHWC"
    found: dict[str, tuple[int, int]] = {}

    def watch(path: str) -> Callable[[nn.Module, object, object], None]:
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and output.is_floating_point():
                usual = 1 if output.ndim == 4 and not channels_last else output.ndim - 1
                axis = _channel_axis(module, output, usual)
                found[path] = (output.shape[axis], axis)

        return hook

    outputs = [stage.output for stage in stages if stage.output is not None]
    handles = [backbone.get_submodule(path).register_forward_hook(watch(path)) for path in outputs]
    try:
        with torch.no_grad():
            backbone.eval()(torch.zeros(1, *spec.shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _channel_axis(module: nn.Module, output: Tensor, usual: int) -> int:
    """The axis as long as the module's last weight says; ``usual`` if it has no weight or that leaves a choice."""
    widths = [
        weight.shape[0] for part in module.modules() if isinstance(weight := getattr(part, "weight", None), Tensor)
    ]
    if not widths or output.shape[usual] == widths[-1]:
        return usual
    fitting = [axis for axis in range(1, output.ndim) if output.shape[axis] == widths[-1]]
    return fitting[-1] if fitting else usual
