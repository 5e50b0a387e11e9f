"""Membership by likelihood ratio: LiRA (Carlini et al., "Membership inference attacks from first principles", IEEE S&P
2022, algorithm 1 and section VI-C)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy  # its rooms are loaded when first used
import torch
from numpy.typing import NDArray
from torch import Tensor

FALSE_ALARMS = 0.01
_DRAWS = 300
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Attacked:
    """How well members were told from others.

    Attributes:
        auroc: 0.5 = not at all.
        found: the share of members that were found while 1 of 100 others was taken for one.
        auroc_interval, found_interval: 95 %.
        members, others: how many cases.
    """

    auroc: float
    auroc_interval: tuple[float, float]
    found: float
    found_interval: tuple[float, float]
    members: int
    others: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return dict(vars(self))


def ratios(shadows: Tensor, inside: Tensor, targets: Tensor) -> Tensor:
    """The logarithm of how much likelier each target's confidences are if the case was a member.

    Args:
        shadows: log odds of the own class under each shadow, ``(B, N)``.
        inside: whether the case trained the shadow, ``(B, N)``; each both ways in some.
        targets: of the attacked heads, ``(T, N)``.
    """
    means, variances = zip(*(_normal(shadows, mask) for mask in (inside, ~inside)), strict=True)
    return _ratio(targets, (means[0], means[1]), (variances[0], variances[1]))


def ratios_left_out(shadows: Tensor, inside: Tensor) -> Tensor:
    """Each shadow attacked by all others, ``(B, N)``."""
    means, variances = [], []
    for mask in (inside, ~inside):
        count = mask.sum(dim=0) - mask.int()
        means.append(((shadows * mask).sum(dim=0) - shadows * mask) / count.clamp(min=1))
        variances.append(_normal(shadows, mask)[1])
    return _ratio(shadows, (means[0], means[1]), (variances[0], variances[1]))


def _normal(shadows: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each case ``(N,)``, and the variance, which with hundreds of shadows is best that of all cases
    together."""
    count = mask.sum(dim=0).clamp(min=1)
    mean = (shadows * mask).sum(dim=0) / count
    freedom = (mask.sum() - (mask.any(dim=0)).sum()).clamp(min=1)
    variance = (((shadows - mean) * mask) ** 2).sum() / freedom
    return mean, variance.clamp(min=1e-12)


def _ratio(targets: Tensor, means: tuple[Tensor, Tensor], variances: tuple[Tensor, Tensor]) -> Tensor:
    member, other = (
        -((targets - mean) ** 2) / (2 * variance) - variance.log() / 2
        for mean, variance in zip(means, variances, strict=True)
    )
    return member - other


def auroc(scores: Numbers, member: NDArray[np.bool_]) -> float:
    """The share of pairs of a member and another in which the member's score is higher; ties count half."""
    ranks, count = scipy.stats.rankdata(scores), int(member.sum())
    return float((ranks[member].sum() - count * (count + 1) / 2) / (count * (len(scores) - count)))


def found_at(scores: Numbers, member: NDArray[np.bool_], alarms: float = FALSE_ALARMS) -> float:
    """The share of members above the score that ``alarms`` of the others reach."""
    return float((scores[member] > np.quantile(scores[~member], 1 - alarms)).mean())


def attacked_once(scores: Tensor, member: Tensor, group: Tensor) -> Attacked:
    """Of one head, with intervals over draws of patients (Efron & Tibshirani 1993, section 13.3).

    Args:
        group: the patient of each case, from 0.
    """
    values, inside, of = scores.double().numpy(), member.numpy(), group.numpy()
    rng, drawn = np.random.default_rng(0), []
    order = np.argsort(of, kind="stable")
    places = np.split(order, np.cumsum(np.bincount(of, minlength=int(of.max()) + 1))[:-1])
    places = [one for one in places if len(one)]
    for _ in range(_DRAWS):
        some = np.concatenate([places[one] for one in rng.integers(0, len(places), len(places))])
        if 0 < inside[some].sum() < len(some):
            drawn.append((auroc(values[some], inside[some]), found_at(values[some], inside[some])))
    low, high = np.quantile(np.array(drawn), (0.025, 0.975), axis=0)
    return Attacked(
        auroc(values, inside),
        (float(low[0]), float(high[0])),
        found_at(values, inside),
        (float(low[1]), float(high[1])),
        int(inside.sum()),
        int((~inside).sum()),
    )


def attacked_each(scores: Tensor, member: Tensor) -> Attacked:
    """Of several heads ``(B, N)``: the means, and their intervals by how they differ between heads."""
    pairs = [
        (auroc(values, inside), found_at(values, inside))
        for values, inside in zip(scores.double().numpy(), member.numpy(), strict=True)
    ]
    each = np.array(pairs)
    mean, half = each.mean(axis=0), 1.96 * each.std(axis=0, ddof=1) / np.sqrt(len(each))
    ends = [(float(m - h), float(m + h)) for m, h in zip(mean, half, strict=True)]
    inside = int(torch.round(member.double().sum(dim=1).mean()))
    return Attacked(float(mean[0]), ends[0], float(mean[1]), ends[1], inside, member.shape[1] - inside)
