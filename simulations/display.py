"""What a researcher sees: progress while it runs, and the table by site at the end."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from fedgraft.common.metrics import summarise
from fedgraft.server.rounds import Round

UNDEFINED = "undefined"  # a figure over one class
_HEADINGS = ("site", "cases", "prev.", "AUROC", "AUPRC", "bal. acc.", "sens.", "spec.")
_COLUMNS = ("auroc", "auprc", "balanced_accuracy", "sensitivity", "specificity")


class Display:
    """Two bars: cases computed (only those that were not kept from an earlier run), and rounds.

    Args:
        console: where to draw.
        cases: how many cases there are.
        rounds: how many rounds the plan has.
    """

    def __init__(self, console: Console, cases: int, rounds: int) -> None:
        columns = (
            TextColumn("{task.description:<28}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        self._progress = Progress(*columns, TextColumn("{task.fields[note]}"), console=console)
        self._cases = self._progress.add_task("cases decoded and computed", total=cases, note="", visible=False)
        self._rounds = self._progress.add_task("rounds", total=rounds, note="preparing the sites")

    def __enter__(self) -> Display:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def computed(self, cases: int) -> None:
        self._progress.update(self._cases, advance=cases, visible=True)

    def round(self, round_: Round) -> None:
        if round_.number == 0:
            return
        notes = [f"{len(round_.sites)} site(s)"]
        if round_.train_loss is not None:
            notes.append(f"loss {round_.train_loss:.4f}")
        if round_.central is not None:
            notes.append(f"test AUROC {_number(summarise(round_.central)['auroc'])}")
        self._progress.update(self._rounds, completed=round_.number, note=", ".join(notes))


def site_table(summary: dict[str, Any]) -> Table:
    """The final model at each site, the worst site marked, and the whole below."""
    splits = sorted({site["split"] for site in summary["sites"].values()})
    table = Table(
        title=f"final model, on each site's {' and '.join(splits)} cases",
        caption="* worst by AUROC; undefined: cases of one class only",
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in _HEADINGS:
        table.add_column(name, justify="left" if name == "site" else "right", no_wrap=True)
    worst = summary["worst_site"]["name"]
    for name, site in summary["sites"].items():
        mark = " *" if name == worst else ""
        table.add_row(name + mark, *_cells(site), style="bold red" if name == worst else None)
    table.add_section()
    source = "official" if summary["test"]["source"] == "coordinator" else "pooled"
    table.add_row(source, *_cells(summary["test"]), style="bold")
    return table


def _cells(figures: dict[str, Any]) -> list[str]:
    return [str(figures["cases"]), _number(figures["prevalence"]), *(_number(figures[c]) for c in _COLUMNS)]


def _number(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"
