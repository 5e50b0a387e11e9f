"""Where in an image a score comes from: gradient times activation at a network's stages, position by position.

For each position of a stage's map, the sum over channels of activation times the score's gradient by it (Draelos &
Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks", arXiv 2020). Where
positions are averaged behind the stage, as in most convolutional networks, this is Grad-CAM (Selvaraju et al., ICCV
2017); where the head knows places (quadrants, class tokens), Grad-CAM would smear the gradient over all of them.

It is taken at the last stage with positions on which the score depends: of a transformer that reads its class token
alone, the stage before the last. Where the head reads features of several depths, it is taken at each of them, of what
the head reads there and not of what later stages make of it; the maps are summed at the image's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedgraft.common.errors import DataError
from fedgraft.common.features.positions import Layout, as_square, layout_of
from fedgraft.common.features.stages import find_stages
from fedgraft.common.interfaces.features import Reading
from fedgraft.common.kinds.several import Member, Several
from fedgraft.common.models.network import Network


@dataclass(frozen=True)
class _Part:
    """One of a model's networks: its modules to look at, in order, and the reading that reads them, if one does."""

    backbone: nn.Module
    modules: tuple[str, ...]
    reading: Reading | None
    layout: Layout


Seen = dict[str, Tensor]
"""Outputs of modules, by path."""


def rests_on(network: Network, image: Tensor, score: Callable[[Tensor], Tensor]) -> tuple[Tensor, tuple[str, ...]]:
    """How much each place of an image adds to a score.

    Args:
        image: the network's input, ``(1, C, S, S)``.
        score: outputs ``(1, outputs)`` -> ``(1,)``.

    Returns:
        ``(S, S)`` float32 on the CPU, signed, which sums to what the stages' maps sum to; and the stages, by name and
        size.

    Raises:
        DataError: no stage has positions on which the score depends.
    """
    parts = _parts(network)
    network.eval()
    with torch.enable_grad():
        outputs, seen = _run(network, parts, image)
        total = score(outputs).sum()
    whole, names = torch.zeros(image.shape[2:]), list[str]()
    for part, found in zip(parts, seen, strict=True):
        for name, one in _maps(part, found, total):
            whole += _as_large(one, image.shape[2:])
            names.append(f"{name} ({one.shape[0]} x {one.shape[1]} places)")
    if not names:
        raise DataError("--explain: no stage of this network has positions on which its answer depends")
    return whole, tuple(names)


def _parts(network: Network) -> list[_Part]:
    backbone = network.backbone
    if not isinstance(backbone, Several):
        return [_part(backbone, network.reading)]
    return [_part(member.backbone, member.reading) for member in backbone.members if isinstance(member, Member)]


def _part(backbone: nn.Module, reading: Reading | None) -> _Part:
    stages = [stage.output for stage in find_stages(backbone) if stage.output is not None]
    modules: Sequence[str] = stages if reading is None else reading.modules
    return _Part(backbone, tuple(modules), reading, layout_of(backbone))


def _run(network: Network, parts: Sequence[_Part], image: Tensor) -> tuple[Tensor, list[Seen]]:
    """The network's outputs, and the outputs of all modules to look at, on which they depend."""
    seen: list[Seen] = [{} for _ in parts]
    with ExitStack() as stack:
        for part, found in zip(parts, seen, strict=True):
            for module in part.modules:
                hook = _keeping(found, module)
                stack.enter_context(part.backbone.get_submodule(module).register_forward_hook(hook))
        outputs: Tensor = network(image.detach().requires_grad_(True))
    vectors = []
    for part, found in zip(parts, seen, strict=True):
        if part.reading is None:
            return outputs, seen
        found.update({name: output.detach().requires_grad_(True) for name, output in found.items()})
        vectors += [part.reading.vector(name, found[name]) for name in part.modules]
    return network.head(network.keep(network.scale(torch.cat(vectors, dim=1)))), seen


def _keeping(found: Seen, module: str) -> Callable[..., object]:
    def keep(_: nn.Module, inputs: object, output: object) -> object:
        if not isinstance(output, Tensor) or not output.requires_grad:
            return output
        found[module] = output
        return output.clone()  # what follows may work in place

    return keep


def _maps(part: _Part, found: Seen, total: Tensor) -> list[tuple[str, Tensor]]:
    """The maps of one network that count, by module, in order."""
    names = [name for name in part.modules if name in found]
    gradients = torch.autograd.grad(total, [found[name] for name in names], allow_unused=True, retain_graph=True)
    maps = [_map(part.layout, name, found[name], slope) for name, slope in zip(names, gradients, strict=True)]
    used = [(name, one) for name, one in zip(names, maps, strict=True) if one is not None]
    return used[-1:] if part.reading is None else used


def _map(layout: Layout, module: str, output: Tensor, gradient: Tensor | None) -> Tensor | None:
    """Gradient times activation ``(h, w)``; ``None`` without rows and columns, or where the score depends on none."""
    if gradient is None or output.ndim not in (3, 4):
        return None
    found = as_square(layout.maps(module, (output * gradient).detach())[0])
    if found is None or min(found.shape[2:]) < 2 or not bool(found.any()):
        return None
    return found[0].sum(dim=0).float().cpu()


def _as_large(found: Tensor, size: torch.Size) -> Tensor:
    """A map at the image's size, with the same sum."""
    large = functional.interpolate(found[None, None], tuple(size), mode="bilinear", align_corners=False)[0, 0]
    return large * (found.numel() / large.numel())
