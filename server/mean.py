"""The weighted mean of updates, folded in one after another: what FedAvg and FedProx compute at the server.

Flower's own arithmetic for them makes two temporaries for each update; the result is the same to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor


def weighted_mean(updates: Iterable[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """``sum_k w_k x_k / sum_k w_k`` by name (McMahan et al., AISTATS 2017, algorithm 1).

    Args:
        updates: tensors and weight of each, at least one; weights above 0, equal names and shapes.

    Returns:
        new tensors; float32 sums are kept in float32, and what is not floating point is averaged in float64.
    """
    total, sums = 0.0, dict[str, Tensor]()
    for tensors, weight in updates:
        total += weight
        for name, tensor in tensors.items():
            wide = tensor if tensor.is_floating_point() else tensor.double()
            if name in sums:
                sums[name].add_(wide, alpha=weight)
            else:
                sums[name] = wide * weight
    return {name: value.div_(total) for name, value in sums.items()}
