"""What a network takes: images, rows of a table, or any array of a fixed shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Shaped(Protocol):
    """What all inputs have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""


@dataclass(frozen=True)
class ArraySpec:
    """Any float32 array of a fixed shape, of one case."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class ImageSpec:
    """What the backbone expects: ``(channels, size, size)`` float32, normalised per channel."""

    channels: int
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    interpolation: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""
        return (self.channels, self.size, self.size)


@dataclass(frozen=True)
class TableSpec:
    """What a tabular backbone takes: ``(F,)`` float32, numbers first, then the codes of the categorical columns.

    Attributes:
        numeric: how many numbers: one for each numeric column, two with ``table.indicate_missing``.
        cardinalities: how many codes each categorical column has: its vocabulary, and 0 for all else.
    """

    numeric: int
    cardinalities: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""
        return (self.numeric + len(self.cardinalities),)

    @property
    def one_hot(self) -> int:
        """Numbers of a case with every code as one 1 among zeros."""
        return self.numeric + sum(self.cardinalities)
