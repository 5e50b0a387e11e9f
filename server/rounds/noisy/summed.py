"""How much noise a sum over sites has, where each adds its own or a part of the sum's."""

from __future__ import annotations

from math import sqrt

from fedgraft.common.plan.plan import Plan
from fedgraft.common.secure.neighbours import default_share, threshold_of


def noise_of_sum(plan: Plan, noise: float, sites: int, added: int | None = None) -> float:
    """The deviation of a sum's noise, in lengths of the longest vector that a patient can give.

    Args:
        noise: of one site alone, or of a secure sum if only those stay who must.
        sites: whom the sum was begun with.
        added: of them, those whose noise is in it; ``None``: all.
    """
    must_stay = 1
    if plan.aggregation.secure:
        share = plan.aggregation.threshold
        must_stay = threshold_of(sites, default_share(sites) if share is None else share)
    return noise * sqrt((sites if added is None else added) / must_stay)
