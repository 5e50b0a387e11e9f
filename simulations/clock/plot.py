"""Plot virtual time: each site's mean round by part, with the slowest site marked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.figure import figure_of

_COLOURS = {
    "download": "#9ecae1",
    "compute": "#1f4e79",
    "upload": "#e6842a",
    "latency": "#c9ced4",
    "offline": "#c0392b",
}
_UNITS = ((7200.0, 3600.0, "hours"), (300.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))


def draw_clock(path: Path, clock: Mapping[str, Any]) -> None:
    """Write a PNG from ``summary.json``'s ``clock``."""
    names = list(clock["sites"])
    longest = max(site["total"] for site in clock["sites"].values())
    _, size, unit = next(unit for unit in _UNITS if longest >= unit[0])
    figure = figure_of((9, 1.6 + 0.34 * len(names)), layout="constrained")
    axes = figure.subplots()
    start = [0.0] * len(names)
    for part, colour in _COLOURS.items():
        widths = [clock["sites"][name][part] / size for name in names]
        if any(widths):
            axes.barh(names, widths, left=start, color=colour, label=part, height=0.7)
        start = [left + width for left, width in zip(start, widths, strict=True)]
    for text, name in zip(axes.get_yticklabels(), names, strict=True):
        text.set_fontweight("bold" if name == clock["slowest"]["name"] else "normal")
    for row, (name, end) in enumerate(zip(names, start, strict=True)):
        times = clock["waited_for"].get(name)
        if times:
            axes.text(end, row, f" waited for in {times} of {clock['rounds']}", va="center", fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.2 * longest / size or 1)
    axes.set(xlabel=f"{unit}, mean round", title="What each site's round is made of")
    figure.legend(frameon=False, ncols=len(_COLOURS), loc="outside lower center")
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
