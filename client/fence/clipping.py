"""Shorten what single patients give to a head's gradient, until it rests on enough of them.

Per-case clipping (Abadi et al., CCS 2016, without the noise): of one layer a case gives ``dL/d(outputs) * input``, so
that a factor on its ``dL/d(outputs)`` is one on all that it gives. Who gives less than the limit is not touched.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.fence.units import NEARLY_ALL

_LEAST = 0.01
"""A smaller factor would leave nothing of an update: it is refused instead."""


def factors(sums: Tensor, least: float, spare: float = 1.0) -> Tensor | None:
    """By which factor each group of patients is to be shortened, ``(groups,)`` float32, at most 1.

    For each unit the largest limit is found at which the effective number of patients is ``least``, and none gives
    nearly all (`fedgraft.client.fence.units`); of several units the smallest factor counts.

    Args:
        sums: ``(groups, units)``, what each gave to each unit.
        spare: so many times as much is asked for: trained again, what a patient gives is somewhat other than before.

    Returns:
        ``None`` if fewer than ``least`` gave anything, or hardly anything would be left.
    """
    sizes = sums.double().abs().cpu().numpy()
    found = np.ones(len(sizes))
    for gave in sizes[:, (sizes > 0).any(axis=0)].T:
        given = np.sort(gave[gave > 0])
        if len(given) < least * spare:
            return None
        limit = _limit(given, least * spare, NEARLY_ALL / spare)
        if limit < _LEAST * given[-1]:
            return None
        found = np.minimum(found, limit / np.maximum(gave, limit))
    return torch.from_numpy(found).float()


def _limit(given: NDArray[np.float64], least: float, most: float) -> float:
    """The largest limit on sizes above 0, ascending, at which they rest on enough (of a larger one on fewer).

    With the limit ``c`` between two of the sizes, of which ``m`` are larger, the sum is ``s + m c`` and the sum of
    squares ``q + m c^2``.
    """
    sums, squares = (np.concatenate([[0.0], np.cumsum(some)]) for some in (given, given**2))
    larger = np.arange(len(given) - 1, -1, -1)  # than each size, if that is the limit
    square = squares[1:] + larger * given**2
    enough = ((sums[1:] + larger * given) ** 2 >= least * square) & (given**2 <= most * square)
    whole = int(np.argmin(enough)) if not enough.all() else len(given)
    if whole == len(given):
        return float(given[-1])
    s, q, m = float(sums[whole]), float(squares[whole]), len(given) - whole
    return min(float(given[whole]), _where_few(s, q, m, least), _where_one(q, m, most))


def _where_few(s: float, q: float, m: int, least: float) -> float:
    """The limit at which ``(s + m c)^2 = least (q + m c^2)``; infinite where it is more at any."""
    square, linear, rest = m * (m - least), m * s, s * s - least * q
    if square >= 0:
        return math.inf
    return (linear + math.sqrt(max(0.0, linear * linear - square * rest))) / -square


def _where_one(q: float, m: int, most: float) -> float:
    """The limit at which ``c^2 = most (q + m c^2)``; infinite where it is less at any."""
    return math.sqrt(most * q / (1 - most * m)) if most * m < 1 else math.inf
