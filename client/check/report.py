"""A part of the report: findings, with the grids, bars and thumbnails that show them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Grade = Literal["ok", "warning", "problem"]


@dataclass(frozen=True)
class Grid:
    """Rows of text under a header, each as long as the header."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def right(self) -> tuple[bool, ...]:
        """Which columns are right-aligned: those of numbers, and never the first."""
        return tuple(
            at > 0 and all(row[at][:1].isdecimal() or row[at] in ("-", "") for row in self.rows)
            for at in range(len(self.header))
        )

    def transposed(self) -> Grid:
        """The grid with rows and columns swapped."""
        header, *rows = zip(self.header, *self.rows, strict=True)
        return Grid(self.title, header, tuple(rows))


@dataclass(frozen=True)
class Bars:
    """A bar chart with one bar per label; ``bands``: a range (from, to) behind each bar, or none at all."""

    title: str
    labels: tuple[str, ...]
    heights: tuple[float, ...]
    bands: tuple[tuple[float, float], ...] = ()

    @property
    def top(self) -> float:
        """The highest bar or band; 1 if there is none."""
        return max((*self.heights, *(high for _, high in self.bands)), default=0) or 1.0

    @property
    def pairs(self) -> tuple[tuple[str, float], ...]:
        """The label and height of each bar."""
        return tuple(zip(self.labels, self.heights, strict=True))


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one case, for the page alone. ``png``: a whole PNG file; ``caption``: its pseudonym."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """Findings on one subject, with their grids, charts and thumbnails."""

    title: str
    findings: tuple[Finding, ...]
    grids: tuple[Grid, ...] = ()
    bars: tuple[Bars, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        grade: ``problem`` = a run would fail, leave cases' pixels exposed or give wrong figures; ``warning`` = somebody
            should look at it; ``ok`` = nothing to do.
        what: the subject of the check, in a word or two.
        text: the result. Never a patient, a case's path, its label or its identifiers.
        todo: what to do about it; empty if nothing.
    """

    grade: Grade
    what: str
    text: str
    todo: str = ""

    def __str__(self) -> str:
        return f"{self.grade:<8} {self.what}: {self.text}" + (f"; {self.todo}" if self.todo else "")


def exit_code(findings: Iterable[Finding]) -> int:
    """0 if there is no problem (warnings are allowed), else 1."""
    return 1 if any(finding.grade == "problem" for finding in findings) else 0
