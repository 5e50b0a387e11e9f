"""Pairs of units whose difference rests on too few patients, though each of them rests on many.

If unit k fires for all rows beyond the k-th of many thresholds, the difference of two neighbours' rows is the rows
between them (Fowl et al., "Robbing the Fed", ICLR 2022). Rows are sums over patients, so that of two units the best
multiple of one is taken from the other, and the effective number of what is left is counted.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.client.fence.units import rests_on_few

_ALL = 256
"""Up to so many units, all pairs are looked at; of more units the `_NEAREST` of each."""
_NEAREST = 16
_AT_ONCE = 4_000_000
_ROUNDS = 6
_NOTHING = 1e-4
"""Of a unit's sum: a smaller difference is lost in the rounding of float32."""


def isolating(sums: Tensor, least: int) -> Tensor:
    """The units that are one of a pair whose difference rests on fewer than ``least`` patients, ``(units,)`` bool.

    Args:
        sums: ``(patients, units)``, what each patient gave to each unit, with its sign.
    """
    found = torch.zeros(sums.shape[1], dtype=torch.bool)
    some = (sums != 0).any(dim=0).nonzero()[:, 0]
    if len(some) < 2:
        return found
    scaled = sums[:, some].double().cpu()
    scaled = scaled / scaled.abs().sum(dim=0)
    first, second = _pairs(scaled)
    for one, other in zip(first.split(size := max(1, _AT_ONCE // len(sums))), second.split(size), strict=True):
        left = _left(scaled[:, one], scaled[:, other])
        few = (left.sum(dim=0) > _NOTHING) & rests_on_few(left, least)
        found[some[one[few]]] = True
        found[some[other[few]]] = True
    return found


def _pairs(scaled: Tensor) -> tuple[Tensor, Tensor]:
    """Which units are compared: places of the first and of the second of each pair."""
    units = scaled.shape[1]
    if units <= _ALL:
        first, second = torch.triu_indices(units, units, 1)
        return first, second
    unit = scaled / torch.linalg.vector_norm(scaled, dim=0)
    near = (unit.T @ unit).abs().fill_diagonal_(0)
    second = near.topk(_NEAREST, dim=1).indices
    return torch.arange(units).repeat_interleave(_NEAREST), second.reshape(-1)


def _left(one: Tensor, other: Tensor) -> Tensor:
    """``|one - c * other|`` with the ``c`` for which its sum is smallest, by iteratively reweighted least squares
    (Schlossmacher, J. Am. Stat. Assoc. 68, 1973): what few patients give does not move it."""
    weight = torch.ones_like(one)
    for _ in range(_ROUNDS):
        ratio = (weight * one * other).sum(dim=0) / (weight * other**2).sum(dim=0).clamp_min(1e-300)
        left = (one - ratio * other).abs()
        weight = 1 / (left + 1e-6 * left.amax(dim=0).clamp_min(1e-300))
    return left
