"""Run a backbone and read some of its modules on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from fedgraft.common.errors import PlanError
from fedgraft.common.interfaces.features import Group, Reading


def read(backbone: nn.Module, reading: Reading, inputs: Tensor) -> Tensor:
    """The features of inputs, ``(B, F)``, in one pass: vectors of all modules read, one after another.

    What a module gives is read behind the adaptation layers that follow it.

    Raises:
        PlanError: the forward pass does not call a module exactly once, or its output is not one tensor.
    """
    vectors = collect(backbone, reading, reading.modules, lambda: backbone(inputs))
    return torch.cat(vectors, dim=1)


def collect(backbone: nn.Module, reading: Reading, modules: Sequence[str], run: Callable[[], object]) -> list[Tensor]:
    """The vectors of ``modules``, in order, while ``run`` passes a batch through the backbone.

    Raises:
        PlanError: as `read`.
    """
    found: dict[str, list[Tensor]] = {module: [] for module in modules}
    with ExitStack() as stack:
        for module in modules:
            hook = _seeing(reading, module, found[module])
            stack.enter_context(backbone.get_submodule(module).register_forward_hook(hook))
        run()
    for module, vectors in found.items():
        if len(vectors) != 1:
            raise PlanError(
                f"features: {module} can't be read: a pass through the network calls it {len(vectors)} times, or it "
                "gives more than one tensor; leave its stage out of features.stages"
            )
    return [vectors[0] for vectors in found.values()]


def groups(backbone: nn.Module, reading: Reading, blank: Tensor) -> tuple[Group, ...]:
    """The group of features of each module, measured with blank inputs ``(B, *shape)``."""
    with torch.no_grad():
        vectors = collect(backbone.eval(), reading, reading.modules, lambda: backbone(blank))
    comparable = getattr(reading, "comparable", ())
    return tuple(
        Group(module, one.shape[1], module in comparable) for module, one in zip(reading.modules, vectors, strict=True)
    )


def _seeing(reading: Reading, module: str, found: list[Tensor]) -> Callable[..., None]:
    def see(_: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            found.append(reading.vector(module, output))

    return see
