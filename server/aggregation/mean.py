"""The weighted mean of updates, tensor by tensor: what FedAvg and FedProx compute at the server.

Equal, bit for bit, to Flower's own arithmetic, but with one temporary per tensor instead of one per update.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from flwr.serverapp.strategy import Strategy
from numpy.typing import NDArray
from torch import Tensor

from fedgraft.common.interfaces.roles import BEFORE_HEAD, REFERENCE, STATISTICS
from fedgraft.common.interfaces.strategy import is_mean, takes_steps

Numbers = NDArray[np.floating[Any]]


def weighted_mean(updates: Sequence[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """``sum_k (w_k / sum w) x_k`` by name (McMahan et al., AISTATS 2017, algorithm 1).

    Args:
        updates: the tensors and the weight (above 0) of each update, at least one; equal names and shapes.

    Returns:
        new tensors; float32 is summed in float32, and integers are averaged in float64.
    """
    total = sum(weight for _, weight in updates)
    parts = [weight / total for _, weight in updates]
    return {name: _mean((tensors[name] for tensors, _ in updates), parts) for name in updates[0][0]}


def _mean(tensors: Iterable[Tensor], parts: Sequence[float]) -> Tensor:
    arrays = (_floating(tensor.numpy()) for tensor in tensors)
    pairs = zip(arrays, parts, strict=True)
    first, part = next(pairs)
    mean = np.asarray(np.multiply(first, part, dtype=first.dtype))
    scratch = np.empty_like(mean)
    for array, part in pairs:
        np.multiply(array, part, out=scratch)
        np.add(mean, scratch, out=mean)
    return torch.from_numpy(mean)


def _floating(array: Numbers) -> Numbers:
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def averaged(strategy: Strategy, names: Iterable[str]) -> frozenset[str]:
    """The names of tensors that are not passed to the strategy: given ones, which no site changes, and those that are
    averaged, weighted by cases.

    The latter are an alignment's moments, because only their mean is that of the pooled cases; and batch norm's running
    statistics if the strategy takes optimiser steps, since a step of Adam or momentum could make a variance negative.
    None of them for FedAvg and FedProx, which average all tensors anyway.
    """
    given = frozenset(name for name in names if name.startswith(BEFORE_HEAD))
    if is_mean(type(strategy)):
        return given
    steps = takes_steps(type(strategy))
    return given | {n for n in names if n.startswith(REFERENCE) or (steps and n.endswith(STATISTICS))}
