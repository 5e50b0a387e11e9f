"""Specs of a network's input: images, rows of a table, or any array of a fixed shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Shaped(Protocol):
    """The spec of any kind of input: its shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""


@dataclass(frozen=True)
class ArraySpec:
    """The spec of inputs that are float32 arrays of a fixed shape, one per case."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class ImageSpec:
    """The spec of images: ``(channels, size, size)`` float32, normalised per channel by ``mean`` and ``std``."""

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
    """The spec of encoded rows: ``(F,)`` float32, numbers first, then the codes of the categorical columns.

    Attributes:
        numeric: number of numbers: one per numeric column, two with ``table.indicate_missing``.
        cardinalities: number of codes of each categorical column: its vocabulary's, and code 0 for everything else.
    """

    numeric: int
    cardinalities: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""
        return (self.numeric + len(self.cardinalities),)

    @property
    def one_hot(self) -> int:
        """The number of numbers of a case with one-hot codes."""
        return self.numeric + sum(self.cardinalities)
