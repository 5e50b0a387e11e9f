"""Find the modules of a backbone at which layers can be inserted, and insert them by forward hooks."""

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
    """A module at which a layer can be inserted.

    ``stage``: name of the module's stage. ``path``: the module's in the backbone. ``input_shape``, ``output_shape``:
    shapes ``(1, ...)`` of its one input and one output tensor for one blank case.
    """

    stage: str
    path: str
    module: nn.Module
    input_shape: Shape
    output_shape: Shape


def stages_from(stages: tuple[Stage, ...], first: str) -> tuple[Stage, ...]:
    """The stages that ``adaptation.stages`` selects: ``all``, or the named one and those after it.

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
    """The stage that the module at ``path`` is part of; ``None`` if it is in none."""
    return next((stage for stage in stages if is_within(path, stage)), None)


def stage_of_layer(name: str, stages: Iterable[Stage]) -> Stage | None:
    """The stage of an adaptation layer's tensor, from its name in the model's state (``adapters.blocks_3....``)."""
    prefix, _, rest = name.partition(".")
    own = rest.partition(".")[0]
    return next((stage for stage in stages if prefix == "adapters" and _layer_name(stage.name) == own), None)


def _layer_name(path: str) -> str:
    return path.replace(".", "_")


def is_within(path: str, stage: Stage) -> bool:
    """Whether the module at ``path`` is one of the stage's units, or part of one."""
    return any(path == unit or path.startswith(f"{unit}.") for unit in stage.units)


def find_places(
    backbone: nn.Module, stages: tuple[Stage, ...], spec: Shaped, fits: Callable[[str, nn.Module], bool]
) -> list[Place]:
    """The modules of ``stages`` for which ``fits(path, module)``, in the network's order.

    Left out are modules that a forward pass never calls, or not with one tensor in and one out: a hook on them would do
    nothing. (`nn.MultiheadAttention` uses the weights of its linear layers without calling them.)
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
    """Measure ``(input_shape, output_shape)`` of modules, by path, in a forward pass of one blank case.

    Modules whose output is not one floating-point tensor are left out; ``input_shape`` is ``None`` where the first
    argument is not one.
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
    """The layers as ``{stage: {path of the module within the stage: layer}}``, with ``_`` for dots in both names."""
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
    """Insert ``layer`` in series: the module's output becomes ``layer(output)``."""

    def hook(module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        adapted: Tensor = layer(output)
        return adapted

    module.register_forward_hook(hook)


def put_beside(module: nn.Module, layer: nn.Module) -> None:
    """Insert ``layer`` in parallel: the module's output becomes ``output + layer(input)``."""

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        added: Tensor = layer(inputs[0])
        return output + added

    module.register_forward_hook(hook)


def is_trained(module: nn.Module) -> bool:
    """Whether the module's own weight is trained (and shared): a shared linear layer in parallel to it adds nothing."""
    weight = getattr(module, "weight", None)
    return isinstance(weight, Tensor) and weight.requires_grad


def sampled(input_shape: Shape, stride: tuple[int, ...]) -> Shape:
    """Output height and width of a 1x1 convolution without padding, for an input of shape ``(B, C, H, W)``."""
    return tuple(-(-size // step) for size, step in zip(input_shape[2:], stride, strict=True))
