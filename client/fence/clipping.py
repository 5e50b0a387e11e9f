"""Shorten what single patients give to a head's gradient, until it rests on enough of them.

Per-case clipping (Abadi et al., CCS 2016, without the noise): of one layer a case gives ``dL/d(outputs) * input``, so
that a factor on its ``dL/d(outputs)`` is one on all that it gives. Who gives less than the limit is not touched.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fedgraft.client.fence.units import NEARLY_ALL

_HALVINGS = 40
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
    sizes = sums.double().abs()
    found = torch.ones(len(sizes), dtype=torch.float64)
    for gave in sizes[:, (sizes > 0).any(dim=0)].unbind(dim=1):
        given = gave[gave > 0]
        if len(given) < least * spare:
            return None
        limit = _limit(given, least * spare, NEARLY_ALL / spare)
        if limit < _LEAST * float(given.max()):
            return None
        found = torch.minimum(found, (limit / gave.clamp_min(limit)))
    return found.float()


def _limit(given: Tensor, least: float, most: float) -> float:
    """The largest limit on sizes above 0 at which they rest on enough; by bisection."""
    low, high = 0.0, float(given.max())
    if _is_enough(given, least, most):
        return high
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _is_enough(given.clamp_max(middle), least, most) else (low, middle)
    return low


def _is_enough(given: Tensor, least: float, most: float) -> bool:
    squares = float((given**2).sum())
    return float(given.sum()) ** 2 >= least * squares and float(given.max()) ** 2 <= most * squares
