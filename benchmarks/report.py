"""What a benchmark found: a table on the terminal, a plot, and a JSON that `page.py` puts into docs/performance.md."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

_LOAD_BEFORE = os.getloadavg()[0]  # a busy machine shows: then measure again
PACKAGES = ("fedgraft", "torch", "timm", "flwr", "ray", "numpy")


@dataclass(frozen=True)
class Result:
    """One benchmark's findings.

    Attributes:
        rows: as many texts as ``columns``.
        notes: a sentence each.
        bars: panel's title -> bar's label -> value.
        unit: of the bars' axis.
        raw: every single measurement.
    """

    title: str
    command: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str]
    bars: Mapping[str, Mapping[str, float]]
    unit: str
    raw: Mapping[str, Any]
    machine: str = field(default_factory=lambda: machine())


def machine() -> str:
    """The line that says on what was measured, and when."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    installed = []
    for package in PACKAGES:
        try:
            installed.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            installed.append(f"{package} not installed")
    date, python = time.strftime("%Y-%m-%d"), f"Python {platform.python_version()}"
    cores = f"{os.cpu_count()} cores of {_cpu()}, {memory:.0f} GiB, load before {_LOAD_BEFORE:.1f}"
    return f"{date}: {cores}; {python}, {', '.join(installed)}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def publish(result: Result, plot: Path | None) -> None:
    """Print it; with ``plot``, also draw it there and write the JSON beside it."""
    table = Table(title=result.title, title_justify="left")
    for index, column in enumerate(result.columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in result.rows:
        table.add_row(*row)
    console = Console(width=max(100, Console().width))
    console.print(table)
    for note in (*result.notes, result.machine):
        console.print(note, highlight=False)
    if plot is not None:
        plot.parent.mkdir(parents=True, exist_ok=True)
        draw(result, plot)
        plot.with_suffix(".json").write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
        console.print(f"wrote {plot} and {plot.with_suffix('.json')}")


def draw(result: Result, file: Path) -> None:
    """Horizontal bars from zero, two panels a row, ours dark; the value stands at each bar."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(result.bars))
    lines = -(-len(result.bars) // columns)
    most = max(len(bars) for bars in result.bars.values())
    figure = Figure(figsize=(5.2 * columns + 1.5, lines * (0.42 * most + 1.1)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for axes, (title, bars) in zip(panels, result.bars.items(), strict=False):
        names = list(bars)[::-1]
        colours = ["#1f4e79" if name.startswith("ours") else "#a9bccf" for name in names]
        drawn = axes.barh(names, [bars[name] for name in names], color=colours)
        axes.bar_label(drawn, [f"{bars[name]:.3g}" for name in names], padding=3)
        axes.set_title(title, loc="left")
        axes.set_xlabel(result.unit)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.15)
    for axes in panels:  # what the last row does not fill
        axes.remove()
    figure.savefig(file, dpi=130)
