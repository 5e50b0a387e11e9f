"""Plot a study: each site's figure under each method, with its deviation over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.figure import figure_of
from fedgraft.simulations.study.cells import title_of

COLOURS = {
    "federated": "#1f4e79",
    "local": "#e6842a",
    "pooled": "#5d9e5f",
    "leave_one_site_out": "#8e6bb0",
    "simpler": "#777777",
}
MARKERS = {"federated": "o", "local": "s", "pooled": "D", "leave_one_site_out": "^", "simpler": "v"}
_RIVALS = ("#b0413e", "#2a8f8f", "#b8860b", "#a0529b", "#4c6a2f", "#5b5f97")
_THEIR_MARKERS = "PX*hd<>"
MEAN = "mean over sites"


def colour_of(methods: Sequence[str], method: str) -> str:
    """A method's colour; rivals have theirs by their order."""
    others = [one for one in methods if one not in COLOURS]
    return COLOURS.get(method) or _RIVALS[others.index(method) % len(_RIVALS)]


def marker_of(methods: Sequence[str], method: str) -> str:
    """The same of a method's marker."""
    others = [one for one in methods if one not in MARKERS]
    return MARKERS.get(method) or _THEIR_MARKERS[others.index(method) % len(_THEIR_MARKERS)]


def draw_study(path: Path, found: Mapping[str, Any]) -> None:
    """Write a PNG from the content of ``study.json``; the last row is the mean over sites."""
    rows, methods = [*found["sites"], MEAN], found["methods"]
    figure = figure_of((9, 1.8 + max(0.42, 0.16 * len(methods)) * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, method in enumerate(methods):
        shown = [_of(found, row, method) for row in rows]
        axes.errorbar(
            [_number(one["mean"]) for one in shown],
            [row + min(0.16, 0.8 / len(methods)) * (place - (len(methods) - 1) / 2) for row in range(len(rows))],
            xerr=[one["sd"] or 0.0 for one in shown],
            fmt=marker_of(methods, method),
            color=colour_of(methods, method),
            label=label_of(found, method),
            capsize=2,
            ms=6,
        )
    axes.axhline(len(rows) - 1.5, color="#c9ced4", lw=1)
    axes.set_yticks(range(len(rows)), rows)
    axes.invert_yaxis()
    seeds = len(found["seeds"])
    over = f"mean and deviation over {seeds} seeds" if seeds > 1 else "one seed"
    what = "test" if found.get("folds") is None else "out-of-fold"
    axes.set(xlabel=f"{what} {found['heading']}", title=f"{found['heading']} by site and method ({over})")
    figure.legend(frameon=False, ncols=min(len(methods), 5), loc="outside lower center")
    axes.grid(axis="x", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)


def label_of(found: Mapping[str, Any], method: str) -> str:
    """A method's name in a legend."""
    return title_of(found, method) if "rivals" in found else method.replace("_", " ")


def _of(found: Mapping[str, Any], row: str, method: str) -> Mapping[str, Any]:
    of: Mapping[str, Any] = found["mean_over_sites"][method] if row == MEAN else found["by_site"][row][method]
    return of


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
