"""The picture of a run in a terminal."""

from __future__ import annotations

from rich.console import Group
from rich.table import Table
from rich.text import Text

from fedgraft.server.watching.observed import Observed
from fedgraft.server.watching.words import doing, dropped, headline, heard, sparkline

_STYLES = {"running": "green", "completed": "bold green", "ended": "bold red", "cut off": "red", "waiting": "yellow"}


def view(run: Observed) -> Group:
    """The headline, the curve of the headline figure, and a table of the sites."""
    parts: list[Text | Table] = [Text(headline(run), style=_STYLES.get(run.state, ""))]
    if curve := sparkline(run):
        values = [value for value in run.curve if value is not None]
        parts.append(Text(f"{run.figure} {curve} {min(values):.3f} to {max(values):.3f}"))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("site", "last heard", "now", "dropped"):
        table.add_column(name, overflow="fold")
    for site in run.sites:
        style = "red" if site.silent else "yellow" if site.drops else ""
        cells = (site.name, heard(site, run.now), doing(site, run), dropped(site))
        table.add_row(*(Text(cell) for cell in cells), style=style)
    if run.sites:
        parts.append(table)
    if run.left_out:
        parts.append(Text(f"left out, since the plan does not fit: {', '.join(run.left_out)}", style="dim"))
    return Group(*parts)
