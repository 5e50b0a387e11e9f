"""Shared tensors that are a mean of the sites' by what they are: no strategy moves them."""

from __future__ import annotations

from collections.abc import Iterable

from flwr.serverapp.strategy import FedAdagrad, FedAdam, FedAvg, FedAvgM, FedProx, FedYogi, Strategy

from fedgraft.common.roles import REFERENCE, STATISTICS


def averaged(strategy: Strategy, names: Iterable[str]) -> frozenset[str]:
    """The names that the coordinator averages itself, weighted by cases.

    These are the moments that features are aligned to, because only their mean is the one of the pooled cases; and with
    a strategy that takes steps of its own, batch norm's running statistics: after a step of Adam or of momentum a
    variance could be negative. FedAvg and FedProx are that mean; they keep all.
    """
    if type(strategy) in (FedAvg, FedProx):
        return frozenset()
    steps = isinstance(strategy, FedAdagrad | FedAdam | FedYogi | FedAvgM)
    return frozenset(n for n in names if n.startswith(REFERENCE) or (steps and n.endswith(STATISTICS)))
