"""How noisy steps are taken (DP-SGD, Abadi et al., CCS 2016), whatever is trained by them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.privacy.clipping import Patients
from fedgraft.client.training.loop import LocalTraining
from fedgraft.client.training.steps.optimizer import Optimizer
from fedgraft.common.errors import DivergenceError


@dataclass(frozen=True)
class NoisySteps:
    """
    Attributes:
        steps: how many.
        patients: of the training cases.
        count: how many patients there are, with noise.
        bound: the most that a patient gives to a step.
        noise: its deviation, in lengths of ``bound``.
        sampled: the probability with which a patient is in a step.
    """

    steps: int
    patients: Patients
    count: int
    bound: float
    noise: float
    sampled: float


def move(
    optimizer: Optimizer,
    parameters: Mapping[str, Tensor],
    slopes: Mapping[str, Tensor],
    task: LocalTraining,
    centres: Mapping[str, Tensor],
) -> None:
    """A step along noisy slopes, and to the centres of the proximal term, which looks at no case.

    Args:
        slopes: by name, on the CPU.
    """
    with torch.no_grad():
        for name, parameter in parameters.items():
            found = slopes[name].to(parameter.device, parameter.dtype)
            parameter.grad = found + task.mu * (parameter - centres[name]) if name in centres else found
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def by_name(vectors: Tensor, like: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameters one after another in vectors ``(..., D)``, by name, each in the shape of its like."""
    leading = vectors.dim() - 1
    sizes = [value.shape[leading:].numel() for value in like.values()]
    parts = zip(like.items(), vectors.split(sizes, dim=-1), strict=True)
    return {name: part.reshape(value.shape) for (name, value), part in parts}


def diverged(weights: Iterable[Tensor], lr: float) -> DivergenceError | None:
    """The error if a weight is not finite after training at a rate."""
    if all(bool(torch.isfinite(one).all()) for one in weights):
        return None
    return DivergenceError(f"training diverged: a weight is not finite with train.lr={lr:g}; lower train.lr")
