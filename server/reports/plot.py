"""Plot a run: the headline figure (AUROC or C-index) by round, pooled and by site, and the training loss.

``python -m fedgraft.server.reports.plot FILE.png`` plots the JSON that it reads from standard input
(`fedgraft.server.reports.plot_process`).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fedgraft.server.evidence.listed import MOST
from fedgraft.server.reports.crowd import quantiles

_SHARES = (0.1, 0.5, 0.9)
_GREY = {False: "each site", True: "eight tenths of sites, and the middle one"}
_INK, _FAINT, _WORST = "#1f4e79", "#b8c4d0", "#c0392b"


def draw_rounds(path: Path, lines: Sequence[dict[str, Any]], summary: dict[str, Any]) -> None:
    """Write a PNG from the lines of ``rounds.jsonl`` and the content of ``summary.json``."""
    figure = Figure(figsize=(9, 4))
    figure.subplots_adjust(left=0.075, right=0.985, bottom=0.135, top=0.91, wspace=0.2)
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(2, 1))
    worst, headline = summary["worst_site"]["name"], summary["headline"]
    heading = summary["columns"][headline]
    split = next((site["split"] for site in summary["sites"].values()), "val")
    crowd = len(summary["sites"]) > MOST
    if crowd:
        _shade(left, lines, split, headline)
    for name in [worst] * (worst is not None) if crowd else summary["sites"]:
        curve = [_value(line["sites"].get(name, {}).get(split), headline) for line in lines]
        colour, width = (_WORST, 1.6) if name == worst else (_FAINT, 1.0)
        left.plot(_numbers(lines), curve, color=colour, lw=width, label=f"worst: {name}" if name == worst else None)
    source = summary["test"]["source"]
    label = "test set of the coordinator" if source == "coordinator" else "all sites together"
    left.plot(_numbers(lines), [_value(line["test"], headline) for line in lines], color=_INK, lw=2.4, label=label)
    left.set(xlabel="round", ylabel=heading, title=f"{heading} by round (grey: {_GREY[crowd]}, {split})")
    left.legend(loc="lower right", frameon=False)
    right.plot(_numbers(lines[1:]), [line["train_loss"] for line in lines[1:]], color=_INK, lw=2)
    right.set(xlabel="round", ylabel="mean over cases", title="local training loss")
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def _shade(axes: Axes, lines: Sequence[dict[str, Any]], split: str, headline: str) -> None:
    """The sites between the lowest and the highest tenth, and the middle one."""
    rows = [
        quantiles([None if one.get(split) is None else one[split][headline] for one in line["sites"].values()], _SHARES)
        for line in lines
    ]
    low, middle, high = ([float("nan") if one is None else one for one in some] for some in zip(*rows, strict=True))
    axes.fill_between(_numbers(lines), low, high, color=_FAINT, alpha=0.5, lw=0)
    axes.plot(_numbers(lines), middle, color=_FAINT, lw=1.6)


def _numbers(lines: Sequence[dict[str, Any]]) -> list[int]:
    return [line["round"] for line in lines]


def _value(figures: dict[str, Any] | None, name: str) -> float:
    value = None if figures is None else figures[name]
    return float("nan") if value is None else float(value)


if __name__ == "__main__":
    given = json.load(sys.stdin)
    draw_rounds(Path(sys.argv[1]), given["lines"], given["summary"])
