"""Parts of an update that rest on too few patients do not leave: they are set back to what came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from fedgraft.client.fence.pairs import isolating
from fedgraft.client.fence.units import UnitWatch, effective
from fedgraft.common.errors import FewCasesError

_ROUNDING = 1e-5


@dataclass(frozen=True)
class HeldBack:
    """What leaves, and what does not.

    Attributes:
        tensors: by name, with the units set back that rest on too few.
        units: of those, the number by module.
        of: all units that had a gradient.
    """

    tensors: dict[str, Tensor]
    units: dict[str, int] = field(default_factory=dict)
    of: int = 0

    @property
    def number(self) -> int:
        return sum(self.units.values())


def held_back(
    watch: UnitWatch | None,
    trained: Mapping[str, Tensor],
    received: Mapping[str, Tensor],
    prefix: str,
    least: int,
    below: float,
) -> HeldBack:
    """Set back each unit that rests on fewer than ``least`` patients, or whose difference to another is of one: its
    rows, its place in vectors beside them, and its column in the next watched matrix, if that has as many columns.

    Args:
        watch: what was seen; ``None`` if nobody looked, and all leaves.
        trained: the tensors that would leave, by name in the model.
        received: those that came.
        prefix: of the watched names in the model.
        below: the largest share of units that may be set back.

    Raises:
        FewCasesError: more of them rest on too few.
    """
    if watch is None:
        return HeldBack(dict(trained))
    sums = {path: some[:-1].cpu() for path, some in watch.found.items()}
    few = {path: watch.on_few(path, least) for path in sums}
    for path in watch.vectors:
        if not _opposite(sums[path]):
            few[path] = few[path] | isolating(sums[path])
    units = {path or "head": count for path, some in few.items() if (count := int(np.count_nonzero(some.numpy())))}
    if not units:
        return HeldBack(dict(trained))
    total = sum(int((some != 0).any(dim=0).sum()) for some in sums.values())
    count = sum(units.values())
    if count > below * total:
        numbers = torch.cat([effective(some) for some in sums.values()])
        lowest = float(numbers[numbers > 0].min())
        raise FewCasesError(
            f"{count} of {total} trained units rest on fewer than {least} patients (the fewest: {lowest:.2f}), or "
            f"differ by one, bounds.below={below:g}: nothing was sent"
        )
    return HeldBack(_set_back_all(trained, received, few, prefix), units, total)


def _opposite(sums: Tensor) -> bool:
    """Whether two units are each other's opposite, as the outputs of two classes are: they say the same."""
    if sums.shape[1] != 2:
        return False
    both = sums.numpy()
    apart = np.add.reduce(np.abs(both[:, 0] + both[:, 1]))
    return bool(apart <= _ROUNDING * np.add.reduce(np.abs(both), axis=None))


def _set_back_all(
    trained: Mapping[str, Tensor], received: Mapping[str, Tensor], few: Mapping[str, Tensor], prefix: str
) -> dict[str, Tensor]:
    """``few``: of the units of each module, the last of the network first, those that rest on too few."""
    tensors, before = dict(trained), None
    for path, rows in reversed([*few.items()]):
        holder = prefix + (f"{path}." if path else "")
        for name in tensors:
            if name.startswith(holder) and "." not in name.removeprefix(holder):
                tensors[name] = _set_back(tensors[name], received[name], rows, before)
        before = rows
    return tensors


def _set_back(tensor: Tensor, came: Tensor, rows: Tensor, columns: Tensor | None) -> Tensor:
    changed = tensor.clone()
    if len(tensor) == len(rows):
        changed[rows] = came[rows].to(tensor.dtype)
    if columns is not None and tensor.ndim > 1 and tensor.shape[1] == len(columns):
        changed[:, columns] = came[:, columns].to(tensor.dtype)
    return changed
