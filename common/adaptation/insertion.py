"""Where in a backbone layers go, and the hooks that put them there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage
from fedgraft.common.interfaces.inputs import Shaped

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Place:
    """A module that a layer may act on.

    ``input_shape`` and ``output_shape``: of the one tensor that it takes and the one it gives, for one blank case:
    ``(1, ...)``.
    """

    stage: str
    path: str
    module: nn.Module
    input_shape: Shape
    output_shape: Shape


def stages_from(stages: tuple[Stage, ...], first: str) -> tuple[Stage, ...]:
    """The stages that ``adaptation.stages`` means: ``all``, or the one of that name and those behind it.

    Raises:
        PlanError: there is no such stage; the message lists them.
    """
    if first == "all":
        return stages
    names = [stage.name for stage in stages]
    if first not in names:
        raise PlanError(f"adaptation.stages={first} is not a stage; choose all or one of: {', '.join(names)}")
    return stages[names.index(first) :]


def stage_of(path: str, stages: Iterable[Stage]) -> Stage | None:
    """The stage that a module is part of."""
    return next((stage for stage in stages if is_within(path, stage)), None)


def stage_of_layer(name: str, stages: Iterable[Stage]) -> Stage | None:
    """The stage of an adaptation layer's tensor, from its name in the model's state (``adapters.blocks_3....``)."""
    prefix, _, rest = name.partition(".")
    own = rest.partition(".")[0]
    return next((stage for stage in stages if prefix == "adapters" and _layer_name(stage.name) == own), None)


def _layer_name(path: str) -> str:
    return path.replace(".", "_")


def is_within(path: str, stage: Stage) -> bool:
    """Whether a module is one of the stage's units, or part of one."""
    return any(path == unit or path.startswith(f"{unit}.") for unit in stage.units)


def find_places(
    backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped, fits: Callable[[str, nn.Module], bool]
) -> list[Place]:
    """Modules of ``stages`` that fit, in the network's order.

    A module is left out if a forward pass does not call it with one tensor and get one from it: its layer would not
    act. (`nn.MultiheadAttention` uses the weights of its linear layers without calling them.)
    """
    within = {path: stage_of(path, stages) for path, module in backbone.named_modules() if fits(path, module)}
    candidates = {path: stage.name for path, stage in within.items() if stage is not None}
    shapes = shapes_seen(backbone, candidates, spec)
    return [
        Place(candidates[path], path, backbone.get_submodule(path), input_shape, output_shape)
        for path in candidates
        if path in shapes
        for input_shape, output_shape in [shapes[path]]
        if input_shape is not None
    ]


def shapes_seen(backbone: nn.Module, paths: Iterable[str], spec: Shaped) -> dict[str, tuple[Shape | None, Shape]]:
    """``(input_shape, output_shape)`` of the modules that give one floating-point tensor in a forward pass of a blank
    case.

    ``input_shape`` is ``None`` where the first argument is no such tensor.
    """
    found: dict[str, tuple[Shape | None, Shape]] = {}

    def watch(path: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            output_shape = _shape(output)
            if output_shape is not None:
                found[path] = (_shape(inputs[0]) if inputs else None, output_shape)

        return hook

    handles = [backbone.get_submodule(path).register_forward_hook(watch(path)) for path in paths]
    try:
        with torch.no_grad():
            backbone.eval()(torch.zeros(1, *spec.shape))
    finally:
        for handle in handles:
            handle.remove()
    return found


def _shape(value: object) -> Shape | None:
    return tuple(value.shape) if isinstance(value, Tensor) and value.is_floating_point() else None


def named(layers: Iterable[tuple[Place, nn.Module]]) -> nn.ModuleDict:
    """Layers by their stage's name and their module's path within it, with ``_`` for dots."""
    grouped = nn.ModuleDict()
    for place, layer in layers:
        stage = _layer_name(place.stage)
        if stage not in grouped:
            grouped[stage] = nn.ModuleDict()
        own = _layer_name(place.path.removeprefix(f"{place.stage}."))
        group = grouped[stage]
        assert isinstance(group, nn.ModuleDict)
        group[own] = layer
    return grouped


def put_after(module: nn.Module, layer: nn.Module) -> None:
    """The module then gives ``layer(output)``."""

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        adapted: Tensor = layer(output)
        return adapted

    module.register_forward_hook(hook)


def put_beside(module: nn.Module, layer: nn.Module) -> None:
    """The module then gives ``output + layer(input)``."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        beside: Tensor = layer(inputs[0])
        return output + beside

    module.register_forward_hook(hook)


def is_trained(module: nn.Module) -> bool:
    """Whether the module's own weight is trained for all sites together: a shared linear map beside it adds nothing."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.requires_grad


def sampled(input_shape: Shape, stride: tuple[int, ...]) -> Shape:
    """Height and width of a 1x1 convolution's output, ``(B, C, H, W)`` in."""
    return tuple(-(-size // step) for size, step in zip(input_shape[2:], stride, strict=True))
