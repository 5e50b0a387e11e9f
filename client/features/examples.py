"""Cases as tensors that refer to kept rows without copying them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from fedgraft.client.site.row_store import RowStore

_ROWS_AT_ONCE = 256


class Change(Protocol):
    """Turns kept rows into inputs."""

    @property
    def same_for(self) -> object:
        """Equal for changes that do the same."""

    def apply(self, rows: Tensor) -> Tensor:
        """``(B, *shape)`` float32 -> ``(B, *shape)`` float32."""


@dataclass(frozen=True)
class Examples:
    """N cases: where their kept rows are, and their labels.

    Attributes:
        source: holds the rows of these cases, and perhaps of others.
        labels: N rows, as the plan's task gives them (`Task.targets`).
        places: ``(N, V)`` int64: the row of each case's V views, view 0 first; ``None`` if case i is row i.
        patients, scanners: ``(N,)`` int64, equal for the same patient or scanner (`fedgraft.client.cohort.groups`);
            ``None`` unless the plan's ``alignment`` needs them.
        change: applied to kept rows whenever they are read; ``None`` for rows as they are.
    """

    source: Tensor | RowStore
    labels: Tensor
    places: Tensor | None = None
    patients: Tensor | None = None
    scanners: Tensor | None = None
    change: Change | None = None

    def __len__(self) -> int:
        return self.labels.shape[0]

    @property
    def stored(self) -> Tensor:
        """All rows of the source, ``(M, *shape)`` float32 or float16, perhaps memory-mapped."""
        return self.source if isinstance(self.source, Tensor) else self.source.rows()

    @property
    def views(self) -> int:
        """The number of views of each case."""
        return 1 if self.places is None else self.places.shape[1]

    @property
    def inputs(self) -> Tensor:
        """The inputs of all cases in order, view 0: ``(N, *shape)`` float32."""
        return self.batch(torch.arange(len(self)))

    def batch(self, cases: Tensor, views: Tensor | None = None) -> Tensor:
        """The inputs of some cases, ``(B, *shape)`` float32; view 0, or the views in ``views``, ``(B,)`` int64."""
        return self.at(self.rows(cases, views))

    def rows(self, cases: Tensor, views: Tensor | None = None) -> Tensor:
        """The rows of `stored` that `batch` would give, ``(B,)`` int64."""
        if self.places is None:
            return cases
        return self.places[cases, 0 if views is None else views]

    def at(self, rows: Tensor) -> Tensor:
        """The inputs made of some rows of `stored`, ``(B, *shape)`` float32."""
        found = _floats(self.stored, rows)
        return found if self.change is None else self.change.apply(found)

    @staticmethod
    def joined(parts: Sequence[Examples]) -> Examples:
        """The cases of several parts of one source with the same change, concatenated; with as many views as the part
        that has fewest."""
        if len(parts) == 1:
            return parts[0]
        views = min(part.views for part in parts)
        places = [torch.arange(len(p))[:, None] if p.places is None else p.places[:, :views] for p in parts]
        labels = torch.cat([p.labels for p in parts])
        return Examples(parts[0].source, labels, torch.cat(places), change=parts[0].change)

    def of_view(self, view: int) -> Examples:
        """The same cases, of which view ``view`` is view 0 and the only one."""
        return self if self.places is None else replace(self, places=self.places[:, view : view + 1])


def _floats(stored: Tensor, rows: Tensor) -> Tensor:
    """Some rows as float32. Of many rows of float16, few at a time: blocks as large as half of the result, taken and
    given back between others, leave holes in memory that nothing fits into."""
    if stored.dtype == torch.float32 or len(rows) <= _ROWS_AT_ONCE:
        return stored.index_select(0, rows).float()
    found = torch.empty(len(rows), *stored.shape[1:])
    for part, some in zip(found.split(_ROWS_AT_ONCE), rows.split(_ROWS_AT_ONCE), strict=True):
        part.copy_(stored.index_select(0, some))
    return found
