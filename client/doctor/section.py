"""A part of the report: findings, with the grids, bars and thumbnails that show them."""

from __future__ import annotations

from dataclasses import dataclass

from fedgraft.client.doctor.finding import Finding


@dataclass(frozen=True)
class Grid:
    """Rows of text under a header; every row is as long as the header."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def transposed(self) -> Grid:
        """Rows as columns."""
        header, *rows = zip(self.header, *self.rows, strict=True)
        return Grid(self.title, header, tuple(rows))


@dataclass(frozen=True)
class Bars:
    """One bar per label. ``bands``: from-to behind each bar, or none at all."""

    title: str
    labels: tuple[str, ...]
    heights: tuple[float, ...]
    bands: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True)
class Thumbnail:
    """A small picture of one case, for the page alone. ``png``: a whole PNG file; ``caption``: its pseudonym."""

    png: bytes
    caption: str


@dataclass(frozen=True)
class Section:
    """What was looked at together."""

    title: str
    findings: tuple[Finding, ...]
    grids: tuple[Grid, ...] = ()
    bars: tuple[Bars, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
