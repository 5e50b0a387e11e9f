"""Cases as tensors, without a copy of what is kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fedgraft.client.site.row_store import RowStore


@dataclass(frozen=True)
class Examples:
    """Some cases: where their rows are, and their labels.

    Attributes:
        source: what holds the rows of these cases, and perhaps of others that share it.
        labels: ``N`` rows, as the plan's task gives them (`Task.targets`).
        places: ``(N, V)`` int64: the row of each case's views, the case as it is first; ``None`` if case i is row i.
        patients, scanners: ``(N,)`` int64, equal for equal ones (`fedgraft.client.cohort.groups`); ``None`` unless
            the plan's ``alignment`` asks.
    """

    source: Tensor | RowStore
    labels: Tensor
    places: Tensor | None = None
    patients: Tensor | None = None
    scanners: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def stored(self) -> Tensor:
        """``(M, *shape)`` float32 or float16, perhaps memory-mapped."""
        return self.source if isinstance(self.source, Tensor) else self.source.rows()

    @property
    def views(self) -> int:
        """Views of each case."""
        return 1 if self.places is None else self.places.shape[1]

    @property
    def inputs(self) -> Tensor:
        """``(N, *shape)`` float32: every case as it is, in order."""
        return self.batch(torch.arange(len(self)))

    def batch(self, cases: Tensor, views: Tensor | None = None) -> Tensor:
        """``(B, *shape)`` float32: some cases, each as it is or in the view that ``views`` ``(B,)`` int64 names."""
        return self.at(self.rows(cases, views))

    def rows(self, cases: Tensor, views: Tensor | None = None) -> Tensor:
        """``(B,)`` int64: where `batch`'s cases are in `stored`."""
        if self.places is None:
            return cases
        return self.places[cases, 0 if views is None else views]

    def at(self, rows: Tensor) -> Tensor:
        """``(B, *shape)`` float32: some rows of `stored`."""
        return self.stored.index_select(0, rows).float()

    @staticmethod
    def joined(parts: Sequence[Examples]) -> Examples:
        """The cases of several parts of one store, one part after another, each case as it is."""
        if len(parts) == 1:
            return parts[0]
        places = [torch.arange(len(p)) if p.places is None else p.places[:, 0] for p in parts]
        return Examples(parts[0].source, torch.cat([p.labels for p in parts]), torch.cat(places)[:, None])
