"""Weights of sites from their losses. A site can lie about its loss: what it gains by that has a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def at_most(losses: Numbers, most: float) -> Numbers:
    """The losses, none above ``most`` times their median: how much a site can make of a loss that it tells."""
    found: Numbers = np.minimum(losses, most * float(np.median(losses)))
    return found


def q_ffl(losses: Numbers, cases: Numbers, squares: Numbers, q: float, rate: float | None) -> Numbers:
    """The coefficients of updates by q-FedAvg (Li, Sanjabi, Beirami & Smith, "Fair resource allocation in federated
    learning", ICLR 2020, algorithm 2) over all sites, each counting by its cases: ``p_k L F_k^q / sum_j p_j h_j`` with
    ``h_j = L F_j^q + q F_j^(q-1) L^2 |w_j - w|^2``.

    Args:
        losses: above 0.
        cases: above 0.
        squares: of the lengths of the updates.
        rate: 1 / L, the length of a site's step, by which the paper bounds the curvature; ``None`` for L near 0: whole
            steps, ``p_k F_k^q / sum_j p_j F_j^q``.

    Returns:
        ``(K,)``, above 0, of a sum of at most 1; the shares of the cases if q is 0.
    """
    raised = cases * losses**q
    bent = 0.0 if rate is None else q * cases * losses ** (q - 1) * squares / rate
    found: Numbers = raised / (raised + bent).sum()
    return found


def group_dro(before: Numbers, losses: Numbers, rate: float, largest: float) -> Numbers:
    """One step of the weights of group DRO (Sagawa, Koh, Hashimoto & Liang, "Distributionally robust neural networks
    for group shifts", ICLR 2020, algorithm 1): ``q_k exp(rate l_k)``, scaled to sum 1, and then none above
    ``largest``, as far as there are sites enough for that.

    Args:
        before: above 0.
    """
    steps = rate * losses
    found: Numbers = before * np.exp(steps - steps.max())
    found /= found.sum()
    return held(found, max(largest, 1 / len(found)))


def held(weights: Numbers, largest: float) -> Numbers:
    """Weights of sum 1 of which none is above ``largest``; what is cut off goes to the others in their proportions."""
    found = weights.copy()
    over = np.zeros(len(found), np.bool_)
    while (found > largest + 1e-12).any():
        over |= found > largest
        rest = found[~over]
        found[over] = largest
        left = 1 - largest * int(over.sum())
        found[~over] = rest * (left / rest.sum()) if rest.sum() > 0 else left / max(1, len(rest))
    return found
