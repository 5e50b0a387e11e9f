"""Plot a low-data curve: the figure of each method by the number of training cases per class and site."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fedgraft.common.drawing.figure import figure_of
from fedgraft.simulations.study.plot import colour_of, label_of, marker_of


def draw_curve(path: Path, found: Mapping[str, Any]) -> None:
    """Write a PNG from the content of ``curve.json``: the mean over sites, and its deviation over seeds as a band."""
    figure = figure_of((7, 4.4), layout="constrained")
    axes = figure.subplots()
    for method in found["methods"]:
        shown = [
            (point["mean_cases"], point["mean_over_sites"][method])
            for point in found["points"]
            if point["mean_over_sites"][method]["mean"] is not None
        ]
        at, means = [cases for cases, _ in shown], [one["mean"] for _, one in shown]
        spreads = [one["sd"] or 0.0 for _, one in shown]
        low, high = ([mean + sign * sd for mean, sd in zip(means, spreads, strict=True)] for sign in (-1, 1))
        colour = colour_of(found["methods"], method)
        axes.plot(at, means, marker=marker_of(found["methods"], method), color=colour, label=label_of(found, method))
        axes.fill_between(at, low, high, color=colour, alpha=0.15, lw=0)
    axes.set_xscale("log")
    places = [point["mean_cases"] for point in found["points"]]
    axes.set_xticks(places, [str(point["cases"]) for point in found["points"]])
    axes.set_xticks([], minor=True)
    what = "test" if found["folds"] is None else "out-of-fold"
    axes.set(xlabel="training cases per class and site", ylabel=f"{what} {found['heading']}, mean over sites")
    axes.legend(frameon=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130)
