"""A figure of matplotlib, which is imported when the first one is made: a start that draws nothing does without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure_of(inches: tuple[float, float], **options: Any) -> Figure:
    """An empty figure for a file, without pyplot's window and global state.

    Args:
        inches: width and height.
        options: of matplotlib's ``Figure``.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=inches, **options)
    FigureCanvasAgg(figure)
    return figure
