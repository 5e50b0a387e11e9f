"""The optimizers of local training."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.optim.sgd import sgd

from fedgraft.common.plan.sections import TrainSection


class Optimizer(Protocol):
    """What changes parameters by their gradients."""

    def step(self) -> object: ...

    def zero_grad(self, set_to_none: bool) -> None: ...


class FusedSGD:
    """``torch.optim.SGD(..., fused=True)``, by torch's own function: the class imports torch's compiler when it is
    made, which takes a second."""

    def __init__(self, groups: list[dict[str, Any]], train: TrainSection) -> None:
        self._groups = [(list(one["params"]), float(one["lr"])) for one in groups]
        self._buffers: dict[Tensor, Tensor | None] = {}
        self._train = train

    def step(self) -> None:
        """A step of all parameters that have a gradient."""
        for parameters, rate in self._groups:
            moved = [one for one in parameters if one.grad is not None]
            buffers = [self._buffers.get(one) for one in moved]
            with torch.no_grad():
                sgd(
                    moved,
                    [one.grad for one in moved if one.grad is not None],
                    buffers,
                    fused=True,
                    weight_decay=self._train.weight_decay,
                    momentum=self._train.momentum,
                    lr=rate,
                    dampening=0.0,
                    nesterov=False,
                    maximize=False,
                )
            self._buffers |= dict(zip(moved, buffers, strict=True))

    def zero_grad(self, set_to_none: bool) -> None:
        for parameters, _ in self._groups:
            for one in parameters:
                one.grad = None


def optimizer_of(parameters: list[dict[str, Any]], train: TrainSection, lr: float) -> Optimizer:
    """The plan's, with fresh state.

    Args:
        parameters: groups (``params``, ``lr``), as torch's optimizers take them.
    """
    if train.optimizer == "sgd":
        return FusedSGD(parameters, train)
    return torch.optim.AdamW(parameters, lr, weight_decay=train.weight_decay, fused=True)
