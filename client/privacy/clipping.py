"""Sums to which each patient, with all of their cases, gives a vector of bounded length.

A patient's cases are added up before they are bounded, so that the promise is to patients, not to images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fedgraft.client.training.before_head import HeadInputs, cases_at_once, parts_of


@dataclass(frozen=True)
class Patients:
    """To which patient each case belongs; ``names`` has one for each case."""

    names: Sequence[str]

    @cached_property
    def group(self) -> Tensor:
        """The patient's place, ``(N,)`` int64."""
        places = {name: place for place, name in enumerate(dict.fromkeys(self.names))}
        return torch.tensor([places[name] for name in self.names], dtype=torch.int64)

    @cached_property
    def count(self) -> int:
        return len(set(self.names))


def clipped_gradient(residuals: Tensor, inputs: HeadInputs, patients: Patients, bound: float) -> tuple[Tensor, Tensor]:
    """The gradient of a linear head, summed over patients of whom each gives at most ``bound`` in length.

    Inputs count as ``inputs / sqrt(F)``, whose length is about 1 for standardised features. A case's gradient is an
    outer product, whose length is that of its factors multiplied (Goodfellow 2015, "Efficient per-example gradient
    computations"); of a patient with several cases it is at most the sum of theirs.

    Args:
        residuals: derivatives of the loss by each case's outputs, ``(N, C)`` float64.
        inputs: of the head, ``(N, F)`` float32.

    Returns:
        by weight ``(C, F)`` and by bias ``(C,)``, float64.
    """
    squares = torch.cat([part.double().square().mean(dim=1) for part in parts_of(inputs)])
    lengths = (squares + 1).sqrt() * residuals.norm(dim=1)
    scaled = residuals * factors(lengths, patients, bound)[:, None]
    weight = torch.zeros(residuals.shape[1], inputs.shape[1], dtype=torch.float64)
    for rows, part in zip(scaled.split(cases_at_once(inputs)), parts_of(inputs), strict=True):
        weight += (rows.to(part.dtype).T @ part).double()
    return weight / inputs.shape[1] ** 0.5, scaled.sum(dim=0)


def factors(lengths: Tensor, patients: Patients, bound: float) -> Tensor:
    """By what each case's vector is multiplied, ``(N,)`` float64, so that no patient's sum is longer than ``bound``.

    Args:
        lengths: of the cases' vectors, ``(N,)`` float64.
    """
    by_patient = torch.zeros(patients.count, dtype=torch.float64).index_add_(0, patients.group, lengths)
    shrunk: Tensor = bound / by_patient.clamp(min=bound)
    return shrunk[patients.group]


def mean_by_patient(rows: Tensor, patients: Patients) -> Tensor:
    """The mean of each patient's rows, ``(patients, F)`` float64."""
    wide, group = rows.double(), patients.group
    total = torch.zeros(patients.count, rows.shape[1], dtype=torch.float64).index_add_(0, group, wide)
    means: Tensor = total / group.bincount(minlength=patients.count).clamp(min=1)[:, None]
    return means


def clipped_sum(rows: Tensor, bound: float) -> Tensor:
    """The sum of rows ``(P, F)``, a patient each, of which each gives at most ``bound`` in length, ``(F,)``."""
    shrunk: Tensor = bound / rows.norm(dim=1).clamp(min=bound)
    return (rows * shrunk[:, None]).sum(dim=0)
