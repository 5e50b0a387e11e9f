"""The low-data curve of a study: its figures by the number of training cases per class and site.

``curve.json`` (a figure that is undefined is null):

- ``headline``, ``heading``, ``seeds``, ``sites``, ``methods``, ``folds``, ``notes``: as in ``study.json``
- ``rivals.names.<method>``: with rivals, what each recipe is called
- ``points``: for each number, the smallest first: ``cases`` (a number, or ``all``); ``mean_over_sites``, ``by_site``,
  ``difference``, ``counted``, ``failed`` and ``without_options`` as in ``study.json``; ``trained_on.<site>.<class>``:
  the least and the most training cases in a seed (and fold); ``mean_cases``: their mean over classes, sites, seeds and
  folds, where the plot has the point; ``all_there_are.<site>``: classes of which there are no more in some seed (or
  fold) than the number asks for
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from fedgraft.common.plan.plan import Plan
from fedgraft.simulations.planning.options import Size
from fedgraft.simulations.study.cells import line, spread_cell, title_of
from fedgraft.simulations.study.learning_curve.curve_plot import draw_curve
from fedgraft.simulations.study.learning_curve.few_cases import Taken

COMMON = ("headline", "heading", "seeds", "sites", "methods", "folds", "notes")
BY_POINT = ("cases", "mean_over_sites", "by_site", "difference", "counted", "failed", "without_options")
NAME = "curve.json"


def curve(points: Sequence[Mapping[str, Any]], taken: Mapping[Size, Sequence[Taken]]) -> dict[str, Any]:
    """The content of ``curve.json``.

    Args:
        points: the content of ``study.json`` for each number.
        taken: by number, for each seed and fold how many training cases of each class were kept.
    """
    common = {name: points[0][name] for name in COMMON}
    if "rivals" in points[0]:
        common["rivals"] = {"names": points[0]["rivals"]["names"]}
    return {
        **common,
        "points": [{**{name: p[name] for name in BY_POINT}, **_counts(taken[p["cases"]])} for p in points],
    }


def _counts(taken: Sequence[Taken]) -> dict[str, Any]:
    trained_on: dict[str, dict[str, dict[str, int]]] = {}
    all_there_are: dict[str, list[str]] = {}
    for site in sorted({site for one in taken for site in one}):
        by_class = {label: [one[site][label] for one in taken if label in one[site]] for label in _labels(taken, site)}
        trained_on[site] = {
            label: {"least": min(one.kept for one in some), "most": max(one.kept for one in some)}
            for label, some in by_class.items()
        }
        short = [label for label, some in by_class.items() if any(one.kept == one.of for one in some)]
        if short:
            all_there_are[site] = short
    kept = [one.kept for by_site in taken for by_class in by_site.values() for one in by_class.values()]
    return {"trained_on": trained_on, "mean_cases": round(fmean(kept), 3), "all_there_are": all_there_are}


def _labels(taken: Sequence[Taken], site: str) -> list[str]:
    return sorted({label for one in taken for label in one[site]})


def write_curve(out: Path, found: Mapping[str, Any], plan: Plan) -> None:
    """Write ``curve.json``, ``curve.md`` and ``curve.png``."""
    (out / NAME).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    (out / "curve.md").write_text(_markdown(found, plan), encoding="utf-8")
    draw_curve(out / "curve.png", found)


def read_curve(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / NAME).read_text(encoding="utf-8"))
    return found


def curve_rows(found: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings, and a row for each number: the mean over sites of each method."""
    methods = found["methods"]
    rows = [
        (str(p["cases"]), f"{p['mean_cases']:g}", *(spread_cell(p["mean_over_sites"][method]) for method in methods))
        for p in found["points"]
    ]
    return ("cases", "trained on", *(title_of(found, method) for method in methods)), rows


def curve_sentences(found: Mapping[str, Any]) -> list[str]:
    """What the table does not show."""
    said = [
        "cases: at most so many training cases of each class at each site, whole patients and groups, but at least one "
        "of these; trained on: the mean over classes, sites, seeds and folds. The cases for a number are among those "
        "for a larger one. Validation and test cases are the same for all numbers."
    ]
    for point in found["points"]:
        short = "; ".join(f"{site} ({', '.join(some)})" for site, some in point["all_there_are"].items())
        if short and point["cases"] != "all":
            said.append(f"With {point['cases']}, all cases that there are: {short}.")
        runs = "; ".join(f"{run}: {', '.join(options)}" for run, options in point["without_options"].items())
        if runs:
            said.append(f"With {point['cases']}, without options that have no effect with these cases: {runs}.")
        for one in point["failed"]:
            said.append(f"With {point['cases']}, failed: {one['run']}, seed {one['seed']}: {one['why']}")
    return said


def print_curve(found: Mapping[str, Any], console: Console) -> None:
    """Print the table and the sentences."""
    headings, rows = curve_rows(found)
    table = Table(title=_title(found), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        table.add_column(heading, justify="right")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    for sentence in curve_sentences(found):
        console.print(sentence, markup=False, highlight=False)


def _markdown(found: Mapping[str, Any], plan: Plan) -> str:
    headings, rows = curve_rows(found)
    seeds = ", ".join(map(str, found["seeds"]))
    lines = ["# How many cases?", "", f"{plan.rounds} rounds of {plan.train.epochs} epoch(s), seeds {seeds}.", ""]
    for sentence in [*found["notes"], *curve_sentences(found)]:
        lines += [sentence.replace("\n", " "), ""]
    lines += [f"## {_title(found)}", "", line(headings), line(["---:"] * len(headings)), *map(line, rows), ""]
    return "\n".join([*lines, "![The figure by the number of training cases](curve.png)", ""])


def _title(found: Mapping[str, Any]) -> str:
    what = "Test" if found["folds"] is None else "Out-of-fold"
    return f"{what} {found['heading']} by training cases per class and site, mean over sites"
