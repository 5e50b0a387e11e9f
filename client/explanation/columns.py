"""How much each column of a table adds to a score: the score, minus the score with that column at its mean.

A number is set to its mean, as known to the model; a category to each of its vocabulary's in turn, of which the mean
score counts. Of a linear head these sum to the score, minus that of a case of means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedgraft.client.cohort.shown import StandIn

_AT_ONCE = 32  # rows; each may be a long note


@dataclass(frozen=True)
class Contribution:
    """Of one column, named with the case's cell (``age = 71``), to the score."""

    column: str
    amount: float


def contributions(
    network: nn.Module, row: Tensor, stand_ins: Sequence[StandIn], score: Callable[[Tensor], Tensor]
) -> list[Contribution]:
    """The contributions of columns, the largest (of either sign) first.

    Args:
        row: the case's encoded row, ``(1, F)``.
        stand_ins: a column each: its cell, and encoded rows with other cells in its place.
    """
    network.eval()
    sizes = [len(one.rows) for one in stand_ins]
    with torch.inference_mode():
        rows = torch.cat([row, *(one.rows.to(row.device) for one in stand_ins)])
        scores = [score(network(some)) for some in rows.split(_AT_ONCE)]
        own, *others = torch.cat(scores).cpu().split([1, *sizes])
    found = [
        Contribution(f"{one.column} = {one.cell}", float(own - other.mean()))
        for one, other in zip(stand_ins, others, strict=True)
    ]
    return sorted(found, key=lambda one: -abs(one.amount))
