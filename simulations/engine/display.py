"""The terminal's display of a run: progress bars, and the table by site at the end."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fedgraft.common import tasks
from fedgraft.server.evidence.listed import MOST, WHOLE
from fedgraft.server.reports.bounds import round_sentences
from fedgraft.server.reports.crowd import SHARES, quantiles, weakest
from fedgraft.server.rounds.state import Round
from fedgraft.simulations.clock.report import _table
from fedgraft.simulations.engine.lines import Lines

UNDEFINED = "undefined"  # shown for an undefined figure: of cases of one class, or without a comparable pair
NOT_TOLD = "not told"  # shown where a site told no figures: it has no test cases, or withholds them
TOGETHER = "all sites together"


WIDE = 160
"""Columns of a console that is no terminal."""


def wide_console(quiet: bool = False) -> Console:
    """A console as wide as its terminal; in a file or a pipe so wide that no table is cut off."""
    console = Console(quiet=quiet)
    is_told = console.is_terminal or console.is_jupyter or "COLUMNS" in os.environ
    return console if is_told else Console(quiet=quiet, width=WIDE)


def bars(console: Console) -> Progress:
    """Bars whose tasks have a ``note``. In a notebook they are widgets, and without ipywidgets there are none."""
    columns = (TextColumn("{task.description:<15}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    missing = console.is_jupyter and importlib.util.find_spec("ipywidgets") is None
    if missing:
        console.print("for bars in a notebook: pip install 'fedgraft[notebook]'", style="dim", markup=False)
    return Progress(*columns, TextColumn("{task.fields[note]}"), console=console, disable=missing)


class Runs:
    """The progress bar of a series of runs: ``run 2 of 9``."""

    def __init__(self, console: Console) -> None:
        self.bars = bars(console)
        self._begun, self._expected = 0, 0
        self._task = self.bars.add_task("runs", total=None, note="")

    def __enter__(self) -> Runs:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def expect(self, runs: int) -> None:
        """Set the total number of runs."""
        self._expected = runs

    def begin(self, note: str) -> None:
        self._begun += 1
        self.bars.update(self._task, description=f"run {self._begun} of {self._expected}", note=note)
        self.bars.update(self._task, completed=self._begun - 1, total=self._expected)

    def end(self) -> None:
        self.bars.update(self._task, completed=self._begun)


class Display:
    """The progress bars of one run: cases decoded, cases computed, and rounds.

    Cases that were kept from an earlier run are not decoded or computed again; of equal ones (as rows of a table can
    be) only one is.

    Args:
        console: where to draw.
        cases: number of all cases.
        rounds: the plan's rounds.
        within: bars that are drawn already, to which these are added until the end of the run.
    """

    def __init__(self, console: Console, cases: int, rounds: int, within: Progress | None = None) -> None:
        self._within, self._all = within is not None, cases
        self._progress = bars(console) if within is None else within
        self._decoded = self._progress.add_task("cases decoded", total=cases, note="", visible=False)
        self._cases = self._progress.add_task("cases computed", total=cases, note="", visible=False)
        self._rounds = self._progress.add_task("rounds", total=rounds, note="preparing the sites")
        self._lines = Lines(self._progress)

    def __enter__(self) -> Display:
        if not self._within:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._within:
            self._progress.stop()
            return
        for task in (self._decoded, self._cases, self._rounds):
            self._progress.remove_task(task)

    def decoded(self, cases: int) -> None:
        self._progress.update(self._decoded, advance=cases, visible=True)
        self._lines.look()

    def computed(self, cases: int) -> None:
        self._progress.update(self._cases, advance=cases, visible=True)
        self._lines.look()

    def counted(self, decoded: int, computed: int) -> None:
        """Both at once, for who counts elsewhere."""
        for count, show in ((decoded, self.decoded), (computed, self.computed)):
            if count:
                show(count)

    def round(self, round_: Round) -> None:
        if round_.number == 0:
            return
        for task in self._progress.tasks:
            if task.id in (self._decoded, self._cases):
                others = self._all - int(task.completed)
                note = f"{others:,} more: kept before, equal to another, or unusable" if others > 0 else ""
                self._progress.update(task.id, total=task.completed, note=note)
        notes = [f"{len(round_.sites)} site(s)"]
        if round_.train_loss is not None:
            notes.append(f"loss {round_.train_loss:.4f}")
        if round_.fit is not None:
            notes.append(round_.fit.sentence)
        if round_.central is not None:
            name = round_.task.headline
            notes.append(f"test {round_.task.columns[name]} {_number(round_.central.figures()[name])}")
        if round_.steps is not None and round_.steps.sentence:
            notes.append(round_.steps.sentence)
        if bounded := round_sentences(round_):
            notes.append(f"{len(bounded)} bounded")
        self._progress.update(self._rounds, completed=round_.number, note=", ".join(notes))
        self._lines.look()


def site_table(summary: dict[str, Any]) -> Table:
    """The final model's figures at each site, with the worst site marked, and over all cases in the last row."""
    headings, rows, worst = site_cells(summary)
    table = _table(site_title(summary), _caption(summary), headings)
    shown = weakest(summary["sites"], summary["headline"])
    places = {name: place for place, name in enumerate(summary["sites"])}
    for place in (places[name] for name in shown):
        name, *cells = rows[place]
        mark = " *" if place == worst else ""
        table.add_row(name + mark, *cells, style="bold red" if place == worst else None)
    table.add_section()
    if len(shown) < len(places):
        for row in quantile_rows(summary):
            table.add_row(*row)
        table.add_section()
    table.add_row(*rows[-1], style="bold")
    return table


def quantile_rows(summary: dict[str, Any]) -> list[list[str]]:
    """Of many sites, quantiles of each figure over those that have it."""
    sites = summary["sites"].values()
    columns = [quantiles([one[name] for one in sites]) for name in ("prevalence", *summary["columns"])]
    cases = [f"{value:.0f}" for value in quantiles([one["cases"] for one in sites]) if value is not None]
    more = [""] * _has_findings(summary)
    return [[words, cases[k], *(_number(one[k]) for one in columns), *more] for k, words in enumerate(SHARES)]


def site_title(summary: dict[str, Any]) -> str:
    splits = sorted({site["split"] for site in summary["sites"].values()})
    return f"final model, on each site's {' and '.join(splits)} cases"


def site_cells(summary: dict[str, Any]) -> tuple[tuple[str, ...], list[list[str]], int | None]:
    """Headings, one row per site and one for all cases, and the index of the worst site's row."""
    columns, sites, worst = summary["columns"], summary["sites"], summary["worst_site"]["name"]
    findings = ["findings"] if _has_findings(summary) else []
    source = "official" if summary["test"]["source"] == "coordinator" else TOGETHER
    rows = [[name, *_cells(figures, columns)] for name, figures in [*sites.items(), (source, summary["test"])]]
    place = None if worst is None else list(sites).index(worst)
    of = summary.get("prevalence_of")
    return ("site", "cases", f"prev. {of}" if of else "prev.", *columns.values(), *findings), rows, place


def _caption(summary: dict[str, Any]) -> str:
    _, rows, worst = site_cells(summary)
    cells, lines = {cell for row in rows for cell in row}, []
    marks = [] if worst is None else [f"* worst by {summary['columns'][summary['headline']]}"]
    if UNDEFINED in cells:
        marks.append(f"{UNDEFINED}: {tasks.TASKS[summary['task']](()).undefined}")
    if NOT_TOLD in cells:
        marks.append(f"{NOT_TOLD}: no test cases, or withheld")
    if marks:
        lines.append("; ".join(marks))
    if len(summary["sites"]) > MOST:
        lines.append(f"the weakest of {len(summary['sites']):,} sites, and quantiles over all of them; {WHOLE}")
    if _has_findings(summary):
        lines.append("means over the findings with cases of both sides; summary.json's `undefined` names the others")
    return "\n".join(lines)


def _has_findings(summary: dict[str, Any]) -> bool:
    return any("findings" in figures for figures in (summary["test"], *summary["sites"].values()))


def _cells(figures: dict[str, Any], columns: Iterable[str]) -> list[str]:
    shown = _number if figures["cases"] else lambda value: NOT_TOLD
    cells = [str(figures["cases"]), shown(figures["prevalence"]), *(shown(figures[column]) for column in columns)]
    if "findings" in figures:
        whole = len(figures["findings"])
        cells.append(f"{whole - len(figures['undefined'])} of {whole}")
    return cells


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"
