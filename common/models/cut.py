"""Where training can first change something, and how to start a network there.

Everything before the first trained stage is a constant function of the case. Its output is computed once per case and
kept; training then starts the network at the cut. This needs no graph of the network: the modules before the cut answer
with what they gave for one blank image, the module at the cut answers with the kept batch, and the network's own
``forward`` runs on from there. A network for which that is not the same thing (for instance one that joins an early
output to a late one) is noticed when the cut is made, and gets none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.adaptation import Stage

_CLOSE = 1e-4
_WORTH = 2  # times the numbers of the case itself: a ViT's tokens are up to 1.75 times its image


@dataclass(frozen=True)
class Cut:
    """``after``: the module whose output is kept. ``before``: what the modules ahead of it give for a blank image."""

    stage: str
    after: str
    shape: tuple[int, ...]
    before: dict[str, Tensor]
    blank: Tensor

    def keep(self, backbone: nn.Module, images: Tensor) -> Tensor:
        """What is kept of some images: ``(B, C, H, W) -> (B, *shape)``, float32; without gradients."""
        module = backbone.get_submodule(self.after)
        inner = module.forward

        def stop(*inputs: Tensor, **options: object) -> Tensor:
            raise _Reached(inner(*inputs, **options))

        try:
            with torch.inference_mode(), _answering(module, stop):
                backbone(images)
        except _Reached as reached:
            return reached.output
        raise PlanError(f"the backbone did not pass {self.after}; set engine.keep=false")

    def replay(self, backbone: nn.Module, kept: Tensor) -> Tensor:
        """The backbone's features of the cases that ``kept`` is of: ``(B, *shape) -> (B, F)``."""
        with ExitStack() as stack:
            for path, output in self.before.items():
                stack.enter_context(_answering(backbone.get_submodule(path), _constant(output.to(kept.device))))
            stack.enter_context(_answering(backbone.get_submodule(self.after), _constant(kept)))
            features: Tensor = backbone(self.blank.to(kept.device))
        return features


class _Reached(Exception):  # noqa: N818
    """Ends a forward pass at the cut: what lies behind it is not needed."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def find_cut(
    backbone: nn.Module,
    stages: tuple[Stage, ...],
    shape: tuple[int, ...],
    constant: Callable[[Stage], bool],
    trained: set[str],
) -> Cut | None:
    """The deepest cut that is exact and worth its space.

    Args:
        shape: of one case: ``(C, S, S)`` for an image, ``(columns,)`` for a row of a table.
        constant: whether nothing within a stage can change.
        trained: modules (by path) on whose output an adaptation layer acts; a cut lies before the first of them.

    Returns:
        ``None`` if the first stage can change, or if every cut would keep more than twice the case's own numbers, or
        not give the network's own features.
    """
    prefix: list[Stage] = []
    for stage in stages:
        if not constant(stage):
            break
        prefix.append(stage)
        if stage.output in trained:
            break
    for length in range(len(prefix), 0, -1):
        cut = None if prefix[length - 1].output is None else _record(backbone, prefix[:length], shape)
        if cut is not None and math.prod(cut.shape) <= _WORTH * math.prod(shape) and _is_exact(cut, backbone, shape):
            return cut
    return None


def _record(backbone: nn.Module, prefix: list[Stage], shape: tuple[int, ...]) -> Cut | None:
    """Run a blank image and note what each module of the prefix gives, before any hook acts on it."""
    after = prefix[-1].output or ""
    paths = [unit for stage in prefix for unit in stage.units]
    outputs: dict[str, list[object]] = {path: [] for path in paths}
    blank = torch.zeros(1, *shape)
    with ExitStack() as stack, torch.no_grad():
        for path in paths:
            module = backbone.get_submodule(path)
            stack.enter_context(_answering(module, _noting(module.forward, outputs[path])))
        backbone.eval()(blank)
    found = {path: some[0] for path, some in outputs.items() if len(some) == 1}
    if len(found) < len(paths) or not all(isinstance(output, Tensor) for output in found.values()):
        return None
    tensors = {path: output for path, output in found.items() if isinstance(output, Tensor)}
    kept = tensors.pop(after)
    return Cut(prefix[-1].name, after, tuple(kept.shape[1:]), tensors, blank)


def _is_exact(cut: Cut, backbone: nn.Module, shape: tuple[int, ...]) -> bool:
    """Whether two random cases give the same features from the cut as from the start."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(2, *shape, generator=generator)
    with torch.no_grad():
        whole = backbone.eval()(images)
        try:
            again = cut.replay(backbone, cut.keep(backbone, images))
        except RuntimeError:
            return False
    return whole.shape == again.shape and torch.allclose(whole, again, rtol=_CLOSE, atol=_CLOSE)


def _constant(output: Tensor) -> Callable[..., Tensor]:
    return lambda *inputs, **options: output


def _noting(inner: Callable[..., object], outputs: list[object]) -> Callable[..., object]:
    def noted(*inputs: object, **options: object) -> object:
        outputs.append(inner(*inputs, **options))
        return outputs[-1]

    return noted


@contextmanager
def _answering(module: nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Within the block the module computes ``forward``; its hooks act as before."""
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        del module.__dict__["forward"]
