"""The pictures: an image beside what its score rests on, or bars of columns. None holds a name or an identifier."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from fedgraft.client.explanation.columns import Contribution
from fedgraft.common.drawing.figure import figure_of
from fedgraft.common.runtime.files import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_BARS = 15
_PLACES = ((0.01, 0.09, 0.44, 0.835), (0.47, 0.09, 0.44, 0.835), (0.92, 0.15, 0.015, 0.7))
"""Of the image, the map and its scale: left, bottom, width and height, as shares of the figure."""
_SPEAKS, _AGAINST = "#b2182b", "#2166ac"


def draw_image(path: Path, image: Tensor, found: Tensor, title: str, how: str) -> None:
    """Write a PNG: the image as the network got it, and the same with the map over it.

    Args:
        image: ``(1 or 3, S, S)`` float32 in [0, 1].
        found: ``(S, S)``; what is negative speaks for other answers, and is not shown.
        how: what the map is, in a line.
    """
    figure = figure_of((7.4, 3.9))  # fixed places: laying out would take longer than drawing
    left, right, scale = (figure.add_axes(place) for place in _PLACES)
    planes = image.permute(1, 2, 0).numpy()
    shown = planes if planes.shape[2] == 3 else planes[..., 0]
    left.imshow(shown, cmap="gray", vmin=0, vmax=1)
    left.set_title("as the network sees it", fontsize=9)
    right.imshow(planes.mean(axis=2), cmap="gray", vmin=0, vmax=1)
    strength = found.clamp(min=0)
    strength = strength / strength.max().clamp(min=1e-12)
    over = right.imshow(strength.numpy(), cmap="inferno", vmin=0, vmax=1, alpha=(0.6 * strength.sqrt()).numpy())
    right.set_title(f"speaks for: {title}", fontsize=9)
    figure.colorbar(over, cax=scale, ticks=[0, 1]).ax.set_yticklabels(["nothing", "most"], fontsize=7)
    for axes in (left, right):
        axes.set_axis_off()
    figure.text(0.47, 0.03, how, fontsize=7, color="0.35", ha="center")
    _save(path, figure)


def draw_columns(path: Path, found: Sequence[Contribution], title: str, how: str) -> None:
    """Write a PNG: a bar for each of the columns that matter most, the largest on top."""
    bars = list(found[:_MOST_BARS])[::-1]
    figure = figure_of((7.4, 1.3 + 0.28 * len(bars)), layout="constrained")
    axes = figure.subplots()
    colours = [_SPEAKS if one.amount > 0 else _AGAINST for one in bars]
    drawn = axes.barh([one.column for one in bars], [one.amount for one in bars], color=colours)
    axes.bar_label(drawn, fmt="%+.2g", fontsize=7, padding=3)
    axes.axvline(0, color="0.4", linewidth=0.8)
    axes.margins(x=0.15)
    axes.tick_params(labelsize=8)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(f"speaks for (red) or against (blue): {title}", fontsize=9)
    left_out = f"; {len(found) - len(bars)} smaller ones left out" if len(found) > len(bars) else ""
    axes.set_xlabel(how + left_out, fontsize=7, color="0.35")
    _save(path, figure)


def _save(path: Path, figure: Figure) -> None:
    with replacing(path, private=True) as partial:
        figure.savefig(partial, format="png", dpi=130, metadata={"Software": None})
