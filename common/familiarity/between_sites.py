"""How far the features of two hospitals lie apart, from sums over their patients: a test between two means.

Features are projected to few numbers by a fixed random matrix, and the means of two hospitals are compared there by
Hotelling's T squared (Lopes, Jacob & Wainwright, "A more powerful two-sample test in high dimensions using random
projection", NeurIPS 2011). What a difference in prevalence explains is taken out first, by regression on the labels
within hospitals (Rao, "Advanced Statistical Methods in Biometric Research", 1952, section 7d). A patient counts once,
as the mean of its cases. The chance of a distance follows from the F distribution: nothing is permuted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import scipy  # its rooms are loaded when first used
import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.common.familiarity.gaussian import Sums, sums_over

WIDTH = 32
"""Numbers that features are projected to, if there are more."""
CHANCE = 0.01
"""What is less likely than that is not taken for chance; over all pairs of hospitals together."""
_SEED = 20_110_427
_SMALLEST = 1e-9


@dataclass(frozen=True)
class PatientSums:
    """Sums over a site's patients: of what each label says, then of projected features.

    Attributes:
        sums: ``cases`` are patients; the first ``labels`` numbers are shares of labels.
        labels: how many numbers those are; 0 if they may not leave.
    """

    sums: Sums
    labels: int


@dataclass(frozen=True)
class Distance:
    """Between two sites.

    Attributes:
        deviations: between the means, in deviations within a site (a Mahalanobis distance, without the part that
            chance alone would give).
        by_chance: the deviations that chance exceeds with a probability of `CHANCE` over all pairs.
        probability: of at least this distance, if there is none.
    """

    deviations: float
    by_chance: float
    probability: float


def narrowed_width(width: int) -> int:
    """To how many numbers ``width`` features are projected."""
    return min(width, WIDTH)


def narrowed(features: Tensor, widths: Sequence[int]) -> Tensor:
    """Features ``(N, F)`` -> ``(N, k)`` float64: of more than `WIDTH` each group of a case is normalised, and all are
    projected; fewer stay as they are, since the test does not depend on their scale.

    Args:
        widths: of the groups of features, which sum to F; or none.
    """
    width = features.shape[1]
    if width <= WIDTH:
        return features.double()
    drawn = torch.randn(width, WIDTH, generator=torch.Generator().manual_seed(_SEED), dtype=torch.float64)
    groups = features.double().split([*widths] or width, dim=1)
    even = torch.cat([functional.layer_norm(group, group.shape[1:]) for group in groups], dim=1)
    return even @ drawn / math.sqrt(width)


def sums_by_patient(numbers: Tensor, labels: Tensor, patients: Sequence[str]) -> PatientSums:
    """The sums over a site's patients.

    Args:
        numbers: ``(N, k)`` float64, as `narrowed` gives them.
        labels: ``(N, q)`` float64: what each case's label says, in q numbers; q may be 0.
        patients: the patient of each case.
    """
    places = {name: place for place, name in enumerate(dict.fromkeys(patients))}
    whose = torch.tensor([places[name] for name in patients])
    both = torch.cat([labels, numbers], dim=1)
    rows = torch.zeros(len(places), both.shape[1], dtype=torch.float64).index_add_(0, whose, both)
    rows /= torch.bincount(whose, minlength=len(places))[:, None]
    return PatientSums(sums_over(rows), labels.shape[1])


def distances(told: Mapping[str, PatientSums]) -> dict[tuple[str, str], Distance]:
    """Between each two sites, in the order of their names; empty if there are too few patients to say.

    The scatter within sites is pooled over all of them. If a site does not tell labels, none are used.
    """
    with_labels = min((one.labels for one in told.values()), default=0)
    sums = {name: one.sums if with_labels else _without_labels(one) for name, one in sorted(told.items())}
    if len(sums) < 2:
        return {}
    scatter = torch.stack([one.scatter for one in sums.values()]).sum(dim=0)
    free = sum(one.cases for one in sums.values()) - len(sums)
    test = _Test.of(scatter, free, with_labels)
    pairs = list(combinations(sums, 2))
    if test is None:
        return {}
    return {(one, other): test.between(sums[one], sums[other], CHANCE / len(pairs)) for one, other in pairs}


def _without_labels(told: PatientSums) -> Sums:
    part = slice(told.labels, None)
    return Sums(told.sums.cases, told.sums.mean[part], told.sums.scatter[part, part])


@dataclass(frozen=True)
class _Test:
    """What all pairs share: the covariance of features within sites at the same labels, over ``free`` degrees of
    freedom, and how features follow labels there."""

    free: int
    labels: int
    slope: Tensor  # (q, k)
    of_labels: Tensor  # (q, q), the inverse of their scatter within sites
    whitening: Tensor  # (k, d), by which differences of features have the unit covariance

    @classmethod
    def of(cls, scatter: Tensor, free: int, labels: int) -> _Test | None:
        known = scatter[:labels, :labels]
        inverse = torch.linalg.pinv(known, hermitian=True) if labels else known
        free -= int(torch.linalg.matrix_rank(known, hermitian=True)) if labels else 0
        wide = min(len(scatter) - labels, free // 2)
        if wide < 1:
            return None
        slope = (inverse @ scatter[:labels, labels:])[:, :wide]
        own = slice(labels, labels + wide)
        values, vectors = torch.linalg.eigh((scatter[own, own] - scatter[own, :labels] @ slope) / free)
        varies = values > _SMALLEST * values[-1].clamp(min=1e-30)  # of features that never vary nothing can be said
        if not varies.any():
            return None
        return cls(free, labels, slope, inverse, vectors[:, varies] / values[varies].sqrt())

    def between(self, one: Sums, other: Sums, chance: float) -> Distance:
        (given, wide), free, q = self.whitening.shape, self.free, self.labels
        away = one.mean - other.mean
        of_labels, apart = away[:q], away[q : q + given] - away[:q] @ self.slope
        inflated = 1 / one.cases + 1 / other.cases + float(of_labels @ self.of_labels @ of_labels)
        squared = float((apart @ self.whitening).square().sum())
        to_f = (free - wide + 1) / (free * wide * inflated)
        limit = float(scipy.special.fdtri(wide, free - wide + 1, 1 - chance)) / to_f

        def deviations(found: float) -> float:
            return math.sqrt(max(0.0, (free - wide - 1) / free * found - wide * inflated))

        probability = float(scipy.special.fdtrc(wide, free - wide + 1, squared * to_f))
        return Distance(deviations(squared), deviations(limit), probability)
