"""What is kept of a stage's maps: statistics of each channel over positions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn import functional

from fedgraft.common.errors import PlanError
from fedgraft.common.features.positions import as_square

Statistic = Callable[[str, Tensor], Tensor]
"""``(module, maps (B, C, *positions)) -> (B, k)``."""


def mean(module: str, maps: Tensor) -> Tensor:
    """The mean over positions, ``(B, C)``."""
    return maps.mean(dim=_positions(maps))


def deviation(module: str, maps: Tensor) -> Tensor:
    """The standard deviation over positions (divided by their number), ``(B, C)``; 0 for a single one.

    In two passes of plain means: torch's `var` takes thirty times as long on maps with channels last.
    """
    where = _positions(maps)
    return (maps - maps.mean(dim=where, keepdim=True)).square().mean(dim=where).sqrt()


def maximum(module: str, maps: Tensor) -> Tensor:
    """The maximum over positions, ``(B, C)``."""
    return maps.amax(dim=_positions(maps))


def quadrants(module: str, maps: Tensor) -> Tensor:
    """The mean of each quarter of the image, ``(B, 4 C)``: for each channel top left, top right, bottom left, right.

    Of an odd number of rows or columns, the middle one counts in both halves.

    Raises:
        PlanError: positions have no rows and columns, or fewer than two of each.
    """
    return _means_of_parts("quadrants", module, maps, 2)


def ninths(module: str, maps: Tensor) -> Tensor:
    """The mean of each of three by three parts of the image, ``(B, 9 C)``; otherwise as `quadrants`."""
    return _means_of_parts("ninths", module, maps, 3)


def _means_of_parts(name: str, module: str, maps: Tensor, parts: int) -> Tensor:
    square = as_square(maps)
    if square is None or min(square.shape[2:]) < parts:
        raise PlanError(
            f"features.statistics: {name} need {parts} rows and columns of positions, and the output of {module} has "
            f"{' x '.join(map(str, maps.shape[2:]))}; leave {name} or this stage out, or take larger images"
        )
    return functional.adaptive_avg_pool2d(square, parts).flatten(1)


STATISTICS: Mapping[str, Statistic] = MappingProxyType(
    {"mean": mean, "deviation": deviation, "maximum": maximum, "quadrants": quadrants, "ninths": ninths}
)


def vector(module: str, maps: Tensor, leading: Tensor, names: tuple[str, ...]) -> Tensor:
    """The chosen statistics of maps ``(B, C, *positions)``, one after another, then the leading tokens ``(B, k)``.

    Of a single position (a vector, or a map of 1 x 1) every mean is the number itself: it is kept once. Of none, only
    the leading tokens are kept.
    """
    if maps[0, 0].numel() <= 1:
        return torch.cat([maps.flatten(1), leading], dim=1)
    return torch.cat([*(STATISTICS[name](module, maps) for name in names), leading], dim=1)


def _positions(maps: Tensor) -> tuple[int, ...]:
    return tuple(range(2, maps.ndim))
