"""Specs of a network's input: images, rows of a table, notes, or any array of a fixed shape."""

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


@dataclass(frozen=True)
class Hashing:
    """How words are hashed into numbers (`fedgraft.client.text.hashing`); nothing is fitted, so that nothing is sent.

    Attributes:
        buckets: number of numbers: half of them for words, half for characters (all for words if there are none).
        words, characters: shortest and longest n-gram of whole words, and of characters within a word; ``characters``
            is empty for none.
    """

    buckets: int
    words: tuple[int, int] = (1, 2)
    characters: tuple[int, ...] = (3, 5)


@dataclass(frozen=True)
class TextSpec:
    """The spec of notes: tokens in windows, and hashed words, in one vector of float32.

    A window is a line of tokens: each is its number in the vocabulary plus 1, and 0 where there is none. Windows
    overlap, so that what stands at the end of one is seen with what follows.

    Attributes:
        windows: most windows of a note; what lies behind the last is not seen.
        length: tokens of a window, with those that mark its begin and end.
        overlap: tokens that a window shares with the one before.
        hashing: of the words that follow the windows; ``None`` for none.
    """

    windows: int
    length: int
    overlap: int
    hashing: Hashing | None = None

    @property
    def tokens(self) -> int:
        """How many of the numbers are tokens; they come first."""
        return self.windows * self.length

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one case."""
        return (self.tokens + (0 if self.hashing is None else self.hashing.buckets),)
