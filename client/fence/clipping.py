"""Shorten what single patients give to a head's gradient, until it rests on enough of them.

Per-case clipping (Abadi et al., CCS 2016, without the noise): of one layer a case gives ``dL/d(outputs) * input``, so
that a factor on its ``dL/d(outputs)`` is one on all that it gives. Who gives less than the limit is not touched.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.client.fence.units import NEARLY_ALL

_TIMES, _TRIED = 3, 256
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
    """The largest limit on sizes above 0, ascending, at which they rest on enough; by trying finer and finer."""
    sums, squares = (np.concatenate([[0.0], np.cumsum(some)]) for some in (given, given**2))
    low, high = 0.0, float(given[-1])
    for _ in range(_TIMES):
        limits = np.linspace(low, high, _TRIED + 1)
        whole = np.searchsorted(given, limits, side="right")  # so many are not shortened
        square = squares[whole] + (len(given) - whole) * limits**2
        enough = (sums[whole] + (len(given) - whole) * limits) ** 2 >= least * square
        fine = np.flatnonzero(enough & (limits**2 <= most * square))
        last = int(fine[-1]) if len(fine) else 0
        low, high = float(limits[last]), float(limits[min(last + 1, _TRIED)])
        if low == high:
            break
    return low
