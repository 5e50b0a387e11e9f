"""SSF: a trained scale and shift of each channel after each stage."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedgraft.common.adaptation.batch_norm import BatchNormMode, with_local_batch_norm
from fedgraft.common.adaptation.insertion import Shape, put_after, shapes_seen, stages_from
from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Adaptation, Adapted, Stage
from fedgraft.common.interfaces.inputs import Shaped
from fedgraft.common.interfaces.roles import TrainedRole


class ScaleAndShift(Adaptation):
    """SSF (Lian et al., NeurIPS 2022): ``scale * x + shift`` per channel after each stage; starts at 1 and 0.

    Args:
        role: ``shared``, or ``local`` for layers that stay at the site.
        stages: ``all``, or the first stage that gets a layer.
        batch_norm: ``fedbn`` or ``silobn`` also keeps batch norm local; ``none`` leaves it alone.
    """

    def __init__(self, role: TrainedRole = "shared", stages: str = "all", batch_norm: BatchNormMode = "none") -> None:
        self.role: TrainedRole = role
        self.stages = stages
        self.batch_norm: BatchNormMode = batch_norm

    def __call__(self, backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped) -> Adapted:
        """Insert one layer after each stage.

        Raises:
            PlanError: a stage has no single tensor as its output (the message names it), or there is no stage.
        """
        if not stages:
            raise PlanError("adaptation=ssf has no effect: the backbone has no stage; use adaptation=none")
        chosen = stages_from(stages, self.stages)
        shapes = shapes_seen(backbone, [stage.output for stage in chosen if stage.output is not None], spec)
        channels_last = getattr(backbone, "output_fmt", "NCHW") == "NHWC"
        layers, follows = nn.ModuleDict(), set()
        for stage in chosen:
            if stage.output is None or stage.output not in shapes:
                raise PlanError(f"adaptation=ssf can't follow stage {stage.name}: its output is not one tensor")
            module, (_, shape) = backbone.get_submodule(stage.output), shapes[stage.output]
            axis = _channel_axis(module, shape, 1 if len(shape) == 4 and not channels_last else len(shape) - 1)
            layer = _ScaleAndShift(shape[axis], axis)
            layers[stage.name.replace(".", "_")] = layer
            put_after(module, layer)
            follows.add(stage.output)
        adapted = Adapted(layers=layers, follows=frozenset(follows), role=self.role)
        return with_local_batch_norm(adapted, self.batch_norm, self.stages, backbone, stages, spec)


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


def _channel_axis(module: nn.Module, shape: Shape, usual: int) -> int:
    """The axis as long as the module's last weight has outputs; ``usual`` if that one fits, none does, or there is no
    weight."""
    widths = [
        weight.shape[0] for part in module.modules() if isinstance(weight := getattr(part, "weight", None), Tensor)
    ]
    if not widths or shape[usual] == widths[-1]:
        return usual
    fitting = [axis for axis in range(1, len(shape)) if shape[axis] == widths[-1]]
    return fitting[-1] if fitting else usual
