"""The sums that a site tells under ``privacy=record``, with their noise: class counts, moments, gradients, and of other
patients scores in bins."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.privacy.clipping import Patients, clipped_gradient, clipped_sum, factors, mean_by_patient
from fedgraft.client.training.before_head import HeadInputs
from fedgraft.common.features.moments import Moments
from fedgraft.common.interfaces.head_start import BearsNoise, Sums
from fedgraft.common.privacy.histograms import Counted
from fedgraft.common.privacy.noise import with_noise

SQUARES_BOUND = 3.0
"""The length of a case's squared features, in those of a case whose features are all equally far from 0."""


def noisy_counts(labels: Tensor, classes: int, patients: Patients, noise: float) -> tuple[int, ...]:
    """Patients by class with noise, each 1 or more; a patient with several cases is divided over their classes.

    Args:
        labels: ``(N,)`` int64.
    """
    shares = mean_by_patient(torch.nn.functional.one_hot(labels, classes), patients)
    told = with_noise(clipped_sum(shares, 1.0).numpy(), 1.0, noise)
    return tuple(max(1, round(count)) for count in told.tolist())


def noisy_cells(cells: NDArray[np.int64], counted: Counted, patients: Patients, noise: float, parties: int) -> Tensor:
    """Patients by class and score, with noise, ``(counted.size,)`` float64; several cases of one are their mean.

    Args:
        cells: to which counts each case gives, ``(N, cells of a case)``.
        parties: as in `with_noise`.
    """
    rows = torch.zeros(len(cells), counted.size, dtype=torch.float64)
    if len(cells):
        rows.scatter_(1, torch.from_numpy(cells), 1.0)
    summed = clipped_sum(mean_by_patient(rows, patients), counted.bound).numpy()
    return torch.from_numpy(with_noise(summed, counted.bound, noise, parties=parties))


def noisy_moments(features: Tensor, patients: Patients, count: int, noise: float, parties: int) -> Moments:
    """Moments of features over patients, from noisy sums of them and of their squares.

    Squares of few patients can come out negative by the noise; pooled over sites that evens out.

    Args:
        features: ``(N, F)`` float32, of which the squares of each case sum up to F or less.
        count: the noisy number of patients.
        parties: as in `with_noise`.
    """
    width = features.shape[1]
    means = mean_by_patient(features, patients) / width**0.5
    squares = mean_by_patient(features.double().square(), patients) / width
    bound = SQUARES_BOUND / width**0.5
    told = [
        torch.from_numpy(with_noise((clipped_sum(rows, most) * unit).numpy(), most, noise, unit, parties))
        for rows, most, unit in ((means, 1.0, width**0.5), (squares, bound, float(width)))
    ]
    mean = told[0] / count
    return Moments(count, mean, told[1] - count * mean.square())


def noisy_start(
    start: BearsNoise, features: Tensor, labels: Tensor, classes: int, patients: Patients, noise: float, parties: int
) -> Sums:
    """The sums from which a head starts, with noise, without the counts, which were told before.

    Args:
        features: ``(N, F)`` float32, as the head's weights see them.
        labels: ``(N,)`` int64.
    """
    by = factors(start.lengths(features), patients, start.most())
    summed, units = start.bounded(features, labels, classes, by), start.units(classes, features.shape[1])
    whole = torch.cat([summed[name].reshape(-1) for name in units]).numpy()
    each = torch.cat([unit.reshape(-1) for unit in units.values()]).numpy()
    told = torch.from_numpy(with_noise(whole, start.most(), noise, each, parties))
    parts = told.split([unit.numel() for unit in units.values()])
    return {name: part.reshape(summed[name].shape) for name, part in zip(units, parts, strict=True)}


def noisy_gradient(
    residuals: Tensor, inputs: HeadInputs, patients: Patients, bound: float, noise: float, parties: int
) -> tuple[Tensor, Tensor]:
    """`clipped_gradient` with noise: by weight and bias of the head, as it takes ``inputs`` ``(N, F)``."""
    weight, bias = clipped_gradient(residuals, inputs, patients, bound)
    unit = inputs.shape[1] ** 0.5
    units = np.concatenate([np.full(weight.numel(), unit), np.ones(bias.numel())])
    both = torch.cat([weight.reshape(-1), bias]).numpy() * units
    told = torch.from_numpy(with_noise(both, bound, noise, units, parties))
    return told[: weight.numel()].reshape(weight.shape), told[weight.numel() :]
