"""Shadow heads of ``privacy=record``: the plan's steps along clipped sums with noise, each head with noise of its own.

The noise comes from a generator of the audit's, since nothing of it leaves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

import torch
from torch import Tensor

from fedgraft.common.plan.protection.privacy_section import PrivacySection
from fedgraft.simulations.audit.heads import Heads, Loss, residuals, summed


@dataclass(frozen=True)
class Noisy:
    """How a private run takes its steps.

    Attributes:
        noise: the deviation of the sum over all sites, in lengths of ``section.clip``.
        rate: of a step, by how many patients a head has.
    """

    section: PrivacySection
    noise: float
    rate: Callable[[int], float]


def noisy(
    inputs: Tensor, labels: Tensor, patient: Tensor, keep: Tensor, loss: Loss, how: Noisy, generator: torch.Generator
) -> Heads:
    """Take the steps of `fedgraft.server.exact.steps` for all heads.

    Args:
        patient: of each case, ``(N,)`` int64 from 0.
        keep: ``(B, N)`` bool, whose cases train each head; all cases of a patient or none.
    """
    count, width, classes = len(keep), inputs.shape[1], int(labels.max()) + 1
    lengths = (inputs.square().mean(dim=1) + 1).sqrt()
    patients = _patients_of(keep, patient)
    rates = torch.tensor([how.rate(int(many)) for many in patients])
    heads, speed = Heads.zeros(count, classes, width), Heads.zeros(count, classes, width)
    for _ in range(how.section.steps):
        slopes = residuals(heads.outputs(inputs), labels, loss) * keep[..., None]
        told = summed(_clipped(slopes, lengths, patient, how.section.clip), inputs)
        speed = _faster(speed, told, how, patients, generator)
        heads = Heads(
            heads.weight - rates[:, None, None] * speed.weight / width, heads.bias - rates[:, None] * speed.bias
        )
    return heads


def _clipped(slopes: Tensor, lengths: Tensor, patient: Tensor, bound: float) -> Tensor:
    """Residuals shrunk so that no patient's gradient is longer than ``bound``
    (`fedgraft.client.privacy.clipping.clipped_gradient`)."""
    own = slopes.norm(dim=2) * lengths
    whole = torch.zeros(len(own), int(patient.max()) + 1).index_add_(1, patient, own)
    return slopes * (bound / whole.clamp(min=bound))[:, patient, None]


def _faster(speed: Heads, told: Heads, how: Noisy, patients: Tensor, generator: torch.Generator) -> Heads:
    deviation, momentum, width = how.noise * how.section.clip, how.section.momentum, told.weight.shape[2]
    weight = told.weight + deviation * sqrt(width) * torch.randn(told.weight.shape, generator=generator)
    bias = told.bias + deviation * torch.randn(told.bias.shape, generator=generator)
    return Heads(
        momentum * speed.weight + weight / patients[:, None, None], momentum * speed.bias + bias / patients[:, None]
    )


def _patients_of(keep: Tensor, patient: Tensor) -> Tensor:
    """How many patients each head has, ``(B,)``."""
    found = torch.zeros(len(keep), int(patient.max()) + 1).index_add_(1, patient, keep.float())
    return (found > 0).sum(dim=1)
