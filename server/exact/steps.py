"""Steps of a fixed number along noisy gradients (``strategy=exact`` with ``privacy=record``).

No line search, path or stopping rule: on noise they fail, and each question spends the sites' budgets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from fedgraft.common.exact.suitability import is_penalised
from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.server.exact.fit import Sums

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Moved:
    """Where steps have led. ``weights`` and ``velocity`` float64, by name."""

    weights: Weights
    velocity: Weights


def rate_of(section: PrivacySection, noise: float, patients: int, outputs: int) -> float:
    """The plan's rate; without one the rate at which the noise of all steps gives a case's log odds a deviation of
    ``jitter``, and at most ``most_rate``.

    Args:
        noise: of the sum of all sites' gradients, in units of ``clip``.
        patients: of all sites, with noise.
        outputs: of the head; log odds are the difference of two of them. 1 where each is the log odds of a finding.
    """
    if section.rate is not None:
        return section.rate
    each = noise * section.clip * sqrt(section.steps) * (sqrt(2) if outputs > 1 else 1.0) / patients
    return min(section.most_rate, section.jitter * (1 - section.momentum) / each)


def take_steps(ask: Callable[[Weights], Sums], begun: Moved, steps: int, rate: float, momentum: float) -> Moved:
    """Move by gradients of the mean loss with momentum, in the coordinates in which the head's inputs have a length of
    about 1 (a matrix ``(C, F)`` times ``sqrt(F)``), in which sites bound what a patient gives.

    Args:
        ask: the sites' noisy sums at given weights.
    """
    weights, velocity = dict(begun.weights), dict(begun.velocity)
    for _ in range(steps):
        sums = ask(weights)
        for name, gradient in sums.gradient.items():
            velocity[name] = momentum * velocity[name] + gradient / sums.cases
            weights[name] = weights[name] - rate * velocity[name] / _unit(gradient)
    return Moved(weights, velocity)


def at_rest(weights: Mapping[str, Tensor]) -> Moved:
    """The start of all steps."""
    wide = {name: tensor.double() for name, tensor in weights.items()}
    return Moved(wide, {name: torch.zeros_like(tensor) for name, tensor in wide.items()})


def _unit(tensor: Tensor) -> int:
    """By what a step is divided: once for the gradient's coordinates, once for the weights'."""
    return tensor.shape[1] if is_penalised(tensor) else 1
