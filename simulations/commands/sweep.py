"""The runs of a sweep (``fedgraft simulate -m``) beside each other, once all have ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from rich import box
from rich.console import Console
from rich.table import Table

from fedgraft.common.drawing.numbers import figure


@dataclass(frozen=True)
class Swept:
    """A run of a sweep.

    Attributes:
        words: the overrides of its point.
        folder: its folder's name in that of the sweep.
    """

    words: tuple[str, ...]
    folder: str
    summary: Mapping[str, Any]


def swept(out: Path, summary: Mapping[str, Any]) -> list[Swept]:
    """The run that has just ended, if it is one of a sweep."""
    known = HydraConfig.get()
    return [Swept(tuple(known.overrides.task), out.name, summary)] if known.mode == RunMode.MULTIRUN else []


def say_sweep(runs: Sequence[Swept], console: Console) -> None:
    """Print the table of a sweep's runs, with that marked which validation cases choose; nothing of a single run, nor
    of runs with different headline figures."""
    headings = {run.summary["columns"][run.summary["headline"]] for run in runs}
    if len(runs) < 2 or len(headings) > 1:
        return
    (heading,) = headings
    table = Table(title="the runs of the sweep", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(("", f"{heading} val", f"{heading} test", "worst site", "folder")):
        table.add_column(name, justify="left" if place == 0 else "right")
    for row in sweep_rows(runs):
        table.add_row(*row)
    console.print(table)
    console.print(
        "* best on validation cases, by which to choose; test figures of one draw differ by chance: with "
        "seeds=[0,1,2] each point is a study, with means and deviations, and against=[...] compares them in pairs",
        highlight=False,
    )


def sweep_rows(runs: Sequence[Swept]) -> list[tuple[str, ...]]:
    """A row a run: the words that are not those of all, the headline figure on all sites' validation and test cases
    (``AUROC``: with its interval), the worst site's, the folder."""
    common = set.intersection(*(set(run.words) for run in runs))
    chosen = [_value(run.summary.get("val"), run) for run in runs]
    best = max((value for value in chosen if value is not None), default=None)
    rows: list[tuple[str, ...]] = []
    for run, value in zip(runs, chosen, strict=True):
        words = " ".join(word for word in run.words if word not in common)
        mark = " *" if value is not None and value == best else ""
        rows.append((f"{words}{mark}", figure(value), _tested(run), _worst(run), run.folder))
    return rows


def _value(figures: Mapping[str, Any] | None, run: Swept) -> float | None:
    found = None if figures is None else figures.get(run.summary["headline"])
    return None if found is None else float(found)


def _tested(run: Swept) -> str:
    value = figure(_value(run.summary["test"], run))
    together = (run.summary.get("intervals") or {}).get("together") or {}
    known = together.get(run.summary["headline"]) or {}
    return f"{value} [{known['low']:.3f}, {known['high']:.3f}]" if known.get("low") is not None else value


def _worst(run: Swept) -> str:
    worst = run.summary["worst_site"]
    return figure(None) if worst["name"] is None else f"{figure(_value(worst, run))} {worst['name']}"
