"""The encoding of a table's rows as a module of torch: numbers in the table's own units, categories by their places."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from torch import Generator, Tensor, nn

from fedgraft.client.cohort.preparation import Preparation
from fedgraft.common.plan.data_sections import TableSection
from fedgraft.common.tables.encoding import Encoder, Row


class Encoded(nn.Module):
    """Rows ``(B, columns)`` float64 -> ``(B, *spec.shape)`` float32: as `Encoder`, of cells as numbers.

    A row holds the numeric columns, NaN where missing, then for each categorical column the place of its category in
    the vocabulary, from 1; 0 if it is missing or not there.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, table: TableSection) -> None:
        super().__init__()
        self.indicate, self.numeric = table.indicate_missing, len(table.numeric)
        self.register_buffer("mean", torch.tensor([table.means[name] for name in table.numeric]).double())
        self.register_buffer("deviation", torch.tensor([table.deviations[name] for name in table.numeric]).double())

    def forward(self, rows: Tensor) -> Tensor:
        numbers, codes = rows[:, : self.numeric], rows[:, self.numeric :]
        missing = numbers.isnan()
        scaled = torch.where(missing, torch.zeros_like(numbers), (numbers - self.mean) / self.deviation)
        parts = [scaled, missing.double(), codes] if self.indicate else [scaled, codes]
        return torch.cat(parts, dim=1).float()


def preparation_of(table: TableSection) -> Preparation:
    """The preparation of a table whose statistics are known."""
    columns = (*table.numeric, *table.categorical)
    words = [table.vocabulary[name] for name in table.categorical]
    said = {
        "what": "float64, a row a case: numbers in the table's own units, NaN where missing; then for each category "
        "its place in the vocabulary, from 1, and 0 if it is missing or not there",
        "columns": json.dumps(columns, ensure_ascii=False),
        "vocabulary": json.dumps(
            {name: list(table.vocabulary[name]) for name in table.categorical}, ensure_ascii=False
        ),
    }

    def samples(generator: Generator) -> Sequence[Tensor]:
        return [_random(table, cases, generator) for cases in (64, 1)]

    def ours(rows: Tensor) -> Tensor:
        split = len(table.numeric)
        codes = [[int(code) for code in row] for row in rows[:, split:].tolist()]
        texts = [tuple(("", *some)[code] for code, some in zip(row, words, strict=True)) for row in codes]
        found = [Row(row.numpy(), text) for row, text in zip(rows[:, :split], texts, strict=True)]
        return torch.from_numpy(Encoder(table)(found))

    return Preparation("rows", Encoded(table), ours, samples, said=said)


def _random(table: TableSection, cases: int, generator: Generator) -> Tensor:
    numbers = torch.randn(cases, len(table.numeric), generator=generator).double()
    for place, name in enumerate(table.numeric):
        numbers[:, place] = table.means[name] + table.deviations[name] * numbers[:, place]
    numbers[torch.rand(numbers.shape, generator=generator) < 0.1] = np.nan
    codes = [
        torch.randint(0, 1 + len(table.vocabulary[name]), (cases, 1), generator=generator).double()
        for name in table.categorical
    ]
    return torch.cat([numbers, *codes], dim=1)
