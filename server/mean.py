"""The weighted mean of updates, folded in one after another: what FedAvg and FedProx compute at the server.

Flower's own arithmetic for them makes two temporaries for each update; the result is the same to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor


def weighted_mean(updates: Iterable[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """``sum_k w_k x_k / sum_k w_k`` by name (McMahan et al., AISTATS 2017, algorithm 1).

    Args:
        updates: tensors and weight of each, at least one; weights above 0, equal names and shapes.

    Returns:
        new tensors; float32 sums are kept in float32, and what is not floating point is averaged in float64.
    """
    total, names, sums = 0.0, tuple[str, ...](), list[Tensor]()
    for tensors, weight in updates:
        names, total = names or tuple(tensors), total + weight
        wide = [t if t.is_floating_point() else t.double() for t in (tensors[name] for name in names)]
        if sums:
            torch._foreach_add_(sums, wide, alpha=weight)
        else:
            sums = [tensor * weight for tensor in wide]
    torch._foreach_div_(sums, total)
    return dict(zip(names, sums, strict=True))
