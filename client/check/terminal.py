"""The report on a terminal: aligned, wrapped to its width, and readable without colour."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fedgraft.client.check.report import Bars, Finding, Grade, Grid, Section

_STYLES: dict[Grade, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}
_BLOCKS = " ▁▂▃▄▅▆▇█"
_WHAT = 17  # the same width in all sections, so that they line up; the rest of 80 columns holds a key's fingerprint
MOST_ROWS = 24


def show_section(console: Console, section: Section) -> None:
    """Print the findings, grids and charts of a section, without thumbnails."""
    console.print()
    console.print(Text(section.title, "bold"))
    console.print(_findings(section.findings))
    for grid in section.grids:
        console.print()
        console.print(_title(grid.title))
        console.print(Padding(_grid(grid), (0, 0, 0, 1), expand=False))
        if len(grid.rows) > MOST_ROWS:
            console.print(Text(f"  and {len(grid.rows) - MOST_ROWS} more rows on the page", "dim"))
    for bars in section.bars:
        if len(bars.heights) > 1 and bars.bands:
            console.print()
            console.print(_title(bars.title))
            console.print(Text(f"  |{sparkline(bars)}|"))


def show_total(console: Console, findings: list[Finding]) -> None:
    """Print the number of findings of each grade."""
    counts = {grade: sum(finding.grade == grade for finding in findings) for grade in _STYLES}
    console.print()
    text = Text(f"{counts['ok']} ok, ")
    text.append(f"{counts['warning']} warning{'s' if counts['warning'] != 1 else ''}, ")
    text.append(f"{counts['problem']} problem{'s' if counts['problem'] != 1 else ''}")
    console.print(text)


def sparkline(bars: Bars) -> str:
    """One block character per bar."""
    most = max(bars.heights, default=0) or 1.0  # bands are not shown here
    return "".join(_BLOCKS[round(height / most * (len(_BLOCKS) - 1))] for height in bars.heights)


def _title(text: str) -> Padding:
    """Of a grid or chart, all of its lines indented."""
    return Padding(Text(text, "dim"), (0, 0, 0, 2), expand=False)


def _findings(findings: tuple[Finding, ...]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, width=9)
    table.add_column(width=_WHAT)
    table.add_column(overflow="fold")  # a fingerprint or a path is never cut
    for finding in findings:
        text = Text(finding.text)
        if finding.todo:
            text.append(f"\n-> {finding.todo}", "italic" if finding.grade == "ok" else "bold")
        table.add_row(Text(f"  {finding.grade}", _STYLES[finding.grade]), Text(finding.what), text)
    return table


def _grid(grid: Grid) -> Table:
    table = Table(box=box.SIMPLE, show_edge=False)
    for name, right in zip(grid.header, grid.right, strict=True):
        table.add_column(Text(name), justify="right" if right else "left")
    for row in grid.rows[:MOST_ROWS]:
        table.add_row(*(Text(cell) for cell in row))
    return table
