"""Pairs of units whose difference is one patient's, though each of them rests on many.

If unit k fires for all rows beyond the k-th of many thresholds, the difference of two neighbours' rows is the rows
between them (Fowl et al., "Robbing the Fed", ICLR 2022). Rows are sums over patients, so that of two units the best
multiple of one is taken from the other, and it is seen whether what is left is of one.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.client.fence.units import ALL, is_of_one

_ALL = 256
"""Up to so many units, all pairs are looked at; of more units the `_NEAREST` of each."""
_NEAREST = 16
_AT_ONCE = 4_000_000
_ROUNDS = 8
_TINY = 1e-300
_NOTHING = {torch.float32: 1e-7, torch.float64: 1e-13}
"""Of a unit's sum: a smaller plain difference is lost in rounding."""
_SHARE = 0.5
"""Of what a patient gives on average: less, left over by the best multiple, is no patient's that was singled out."""


def isolating(sums: Tensor, before: Tensor | None = None) -> Tensor:
    """The units that are one of a pair whose difference is one patient's, ``(units,)`` bool.

    Of two units of one update, `NEARLY_ALL` of what is left of one after the best multiple of the other; of two
    answers, `ALL` of their plain difference: an honest fit of a table with outliers differs from one question to the
    next for up to nine tenths by an outlier, and must not be refused.

    Args:
        sums: ``(patients, units)``, what each patient gave to each unit, with its sign.
        before: ``(patients, columns)``, what each gave to what was sent before.
    """
    found = torch.zeros(sums.shape[1], dtype=torch.bool)
    some = (sums != 0).any(dim=0).nonzero()[:, 0]
    wide = sums[:, some].double().cpu()
    first, second = _pairs(wide)
    for places in _parts(first, wide):
        here, there = wide[:, first[places]], wide[:, second[places]]
        few = places[_of_one(here, _left(here, there))]
        found[some[first[few]]] = True
        found[some[second[few]]] = True
    if before is not None and before.shape[1] and len(some):
        old, nothing = before.double(), _NOTHING[sums.dtype]
        first, second = _nearest(wide, old)
        for places in _parts(first, wide):
            here, plain = wide[:, first[places]], (wide[:, first[places]] - old[:, second[places]]).abs()
            few = places[(plain.sum(dim=0) > nothing * here.abs().sum(dim=0)) & is_of_one(plain, ALL)]
            found[some[first[few]]] = True
    return found


def _parts(first: Tensor, sums: Tensor) -> tuple[Tensor, ...]:
    """The places of all pairs, in parts that fit into memory."""
    size = max(1, _AT_ONCE // max(1, len(sums)))
    return tuple(torch.arange(start, min(start + size, len(first))) for start in range(0, len(first), size))


def _of_one(here: Tensor, left: Tensor) -> Tensor:
    given = (here != 0).any(dim=1).sum().clamp_min(1)
    return (left.sum(dim=0) > _SHARE / given * here.abs().sum(dim=0)) & is_of_one(left)


def _pairs(scaled: Tensor) -> tuple[Tensor, Tensor]:
    """Which units are compared: places of the first and of the second of each pair."""
    units = scaled.shape[1]
    if units <= _ALL:
        first, second = torch.triu_indices(units, units, 1)
        return first, second
    return _nearest(scaled, scaled, itself=True)


def _nearest(one: Tensor, other: Tensor, itself: bool = False) -> tuple[Tensor, Tensor]:
    """For each column of ``one`` the columns of ``other`` that are most like it."""
    near = (one / _norm(one)).T @ (other / _norm(other))
    near = near.abs().fill_diagonal_(0) if itself else near.abs()
    count = min(_NEAREST, other.shape[1])
    return torch.arange(one.shape[1]).repeat_interleave(count), near.topk(count, dim=1).indices.reshape(-1)


def _norm(columns: Tensor) -> Tensor:
    found: Tensor = torch.linalg.vector_norm(columns, dim=0).clamp_min(_TINY)
    return found


def _left(one: Tensor, other: Tensor) -> Tensor:
    """``|one - c * other|`` with the ``c`` for which its sum is smallest, by iteratively reweighted least squares
    (Schlossmacher, J. Am. Stat. Assoc. 68, 1973): what few patients give does not move it."""
    weight = torch.ones_like(one)
    for _ in range(_ROUNDS):
        ratio = (weight * one * other).sum(dim=0) / (weight * other**2).sum(dim=0).clamp_min(_TINY)
        left = (one - ratio * other).abs()
        weight = 1 / (left + 1e-9 * left.amax(dim=0).clamp_min(_TINY))
    return left
