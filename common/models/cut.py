"""Find the stage after which training can first change something, and start the network behind it.

Everything up to this cut is a constant function of the case: its output is computed once per case and kept, and
training runs the rest of the network on it. This needs no graph of the network. To replay, the network's own
``forward`` runs, but the modules before the cut return the outputs recorded for one blank image, and the module at the
cut returns the kept batch. If that does not give the network's own features (for instance because an early output skips
past the cut), there is no cut.
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

_TOLERANCE = 1e-4  # of features replayed from a cut, absolute and relative
_LARGEST = 2  # numbers kept of a case, in multiples of its own: a ViT's tokens are up to 1.75 times its image


@dataclass(frozen=True)
class Cut:
    """A cut behind a stage.

    Attributes:
        stage: name of the last constant stage.
        after: path of the module whose output is kept.
        shape: of that output, for one case.
        before: outputs of the modules before it for the blank case, by path.
        blank: one blank case, ``(1, *input shape)`` float32.
    """

    stage: str
    after: str
    shape: tuple[int, ...]
    before: dict[str, Tensor]
    blank: Tensor

    def keep(self, backbone: nn.Module, images: Tensor) -> Tensor:
        """The output at the cut: ``(B, C, H, W) -> (B, *shape)``, float32.

        Raises:
            PlanError: the forward pass does not call the module at the cut.
        """
        module = backbone.get_submodule(self.after)
        inner = module.forward

        def stop(*inputs: Tensor, **options: object) -> Tensor:
            raise _Reached(inner(*inputs, **options))

        try:
            with _replaced_forward(module, stop):
                backbone(images)
        except _Reached as reached:
            return reached.output
        raise PlanError(f"the backbone did not pass {self.after}; set engine.keep=false")

    def replay(self, backbone: nn.Module, kept: Tensor) -> Tensor:
        """The backbone's features from the output at the cut: ``(B, *shape) -> (B, F)``."""
        with ExitStack() as stack:
            for path, output in self.before.items():
                constant = _constant(output.to(kept.device))
                stack.enter_context(_replaced_forward(backbone.get_submodule(path), constant))
            stack.enter_context(_replaced_forward(backbone.get_submodule(self.after), _constant(kept)))
            features: Tensor = backbone(self.blank.to(kept.device))
        return features


class _Reached(Exception):  # noqa: N818
    """Ends a forward pass at the cut: the modules behind it need not run."""

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
    """The deepest cut that is exact and whose output is small enough to keep.

    Args:
        shape: of one case: ``(C, S, S)`` for an image, ``(columns,)`` for a row of a table.
        constant: whether nothing within a stage can change.
        trained: paths of modules whose output an adaptation layer changes; the output that is kept is the one before
            this layer, so no cut lies behind the first of them.

    Returns:
        ``None`` if the first stage can change, or if every cut would keep more than twice the case's own numbers or
        would not give the network's own features.
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
        if cut is not None and math.prod(cut.shape) <= _LARGEST * math.prod(shape) and _is_exact(cut, backbone, shape):
            return cut
    return None


def _record(backbone: nn.Module, prefix: list[Stage], shape: tuple[int, ...]) -> Cut | None:
    """Run a blank case and record each output of the prefix's modules, before any hook acts on it.

    ``None`` if a module is not called exactly once or its output is not one tensor.
    """
    after = prefix[-1].output or ""
    paths = [unit for stage in prefix for unit in stage.units]
    outputs: dict[str, list[object]] = {path: [] for path in paths}
    blank = torch.zeros(1, *shape)
    with ExitStack() as stack, torch.no_grad():
        for path in paths:
            module = backbone.get_submodule(path)
            stack.enter_context(_replaced_forward(module, _recording(module.forward, outputs[path])))
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
    return whole.shape == again.shape and torch.allclose(whole, again, rtol=_TOLERANCE, atol=_TOLERANCE)


def _constant(output: Tensor) -> Callable[..., Tensor]:
    return lambda *inputs, **options: output


def _recording(inner: Callable[..., object], outputs: list[object]) -> Callable[..., object]:
    def recorded(*inputs: object, **options: object) -> object:
        outputs.append(inner(*inputs, **options))
        return outputs[-1]

    return recorded


@contextmanager
def _replaced_forward(module: nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Within the block the module computes ``forward``; its hooks act as before."""
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        del module.__dict__["forward"]
