"""Whose each training case is, as sums over patients are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_GROUPS = 512
"""Rows of a sum. Of more patients several share a row, which can only lower the effective number."""


@dataclass(frozen=True)
class Patients:
    """To which patient each training case belongs; examples after them were made of others, and count for nobody."""

    names: Sequence[str]

    @cached_property
    def group(self) -> Tensor:
        """The row of a sum to which each training case is added, ``(N,)`` int64."""
        number = {patient: place % _GROUPS for place, patient in enumerate(dict.fromkeys(self.names))}
        return torch.tensor([number[patient] for patient in self.names], dtype=torch.int64)

    @cached_property
    def nobody(self) -> int:
        """The row of examples that count for nobody."""
        return int(self.group.max()) + 1

    def groups(self, cases: Tensor) -> Tensor:
        """The rows of some examples, ``(B,)`` int64."""
        if len(cases) and int(cases.max()) < len(self.group):
            return self.group.index_select(0, cases)
        real = cases < len(self.group)
        return torch.where(real, self.group[cases.clamp_max(len(self.group) - 1)], self.nobody)

    def places(self, units: int) -> NDArray[np.int64]:
        """Of each training case, the places of its row in a sum of so many columns, one after another,
        ``(N, units)``."""
        if units not in self._places:
            self._places[units] = self.group.numpy()[:, None] + (self.nobody + 1) * np.arange(units)
        return self._places[units]

    @cached_property
    def _places(self) -> dict[int, NDArray[np.int64]]:
        return {}
