"""A row with one column after another at its mean, or at each of its categories."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fedgraft.client.cohort.shown import StandIn
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import Row

MISSING = "missing"


def stand_ins_of(table: TableSection, cells: Row, row: Tensor) -> list[StandIn]:
    """The columns of a row, as `fedgraft.client.cohort.shown.InColumns`.

    Args:
        cells: before they were encoded.
        row: encoded, ``(1, F)`` float32.
    """
    numeric, found = len(table.numeric), []
    for place, name in enumerate(table.numeric):
        other = row.clone()
        other[0, place] = 0  # an encoded mean
        if table.indicate_missing:
            other[0, numeric + place] = 0
        number = float(cells.numbers[place])
        found.append(StandIn(name, MISSING if math.isnan(number) else f"{number:g}", other))
    first = row.shape[1] - len(table.categorical)
    for place, name in enumerate(table.categorical):
        count = len(table.vocabulary[name])
        others = row.repeat(count, 1)
        others[:, first + place] = torch.arange(1, count + 1, dtype=row.dtype)
        found.append(StandIn(name, cells.texts[place] or MISSING, others))
    return found
