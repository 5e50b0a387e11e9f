"""Report virtual time on the terminal: a table by site, and sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.table import Table

_PARTS = ("prepare", "download", "compute", "upload", "latency", "offline", "total")
_UNITS = {"uplink": " Mbit/s", "downlink": " Mbit/s", "speed": " of this machine"}


def clock_table(clock: Mapping[str, Any]) -> Table:
    """Virtual time by site, the slowest marked; from ``summary.json``'s ``clock``."""
    table = _table(
        "virtual time, seconds: prepare (once), and the parts of a site's mean round",
        "* the federation waited longest for it",
        ("site", "prepare", "down", "compute", "up", "latency", "offline", "round", "waited for"),
    )
    slowest = clock["slowest"]["name"]
    for name, site in clock["sites"].items():
        mark = " *" if name == slowest else ""
        times = f"{clock['waited_for'].get(name, 0)} of {clock['rounds']}"
        cells = (f"{site[part]:.1f}" for part in _PARTS)
        table.add_row(name + mark, *cells, times, style="bold red" if name == slowest else None)
    return table


def clock_sentences(clock: Mapping[str, Any]) -> list[str]:
    """Sentences on how long the run takes, which site is the slowest, and what would help."""
    total, prepare, rounds, last = (
        duration(clock[f"{name}_seconds"]) for name in ("total", "prepare", "rounds", "evaluation")
    )
    slowest, better = clock["slowest"], clock["what_if"]
    sentences = [
        f"The federation would have taken {total}: {prepare} to prepare, {rounds} for {clock['rounds']} rounds, {last} "
        "for the last evaluation.",
        f"It waited longest for {slowest['name']}, in {slowest['rounds']} of {clock['rounds']} rounds; "
        f"{slowest['part']} was {slowest['share']:.0%} of that time.",
    ]
    if better is not None:
        option = better["option"].rpartition(".")[2]
        sentences.append(
            f"With twice the {option} there ({better['value']:g}{_UNITS[option]}) it would have taken "
            f"{duration(better['total_seconds'])}."
        )
    return sentences


def duration(seconds: float) -> str:
    """``12.3 s``, ``4 min 10 s`` or ``3 h 12 min``."""
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    if round(seconds) < 3600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    return f"{round(seconds / 60) // 60} h {round(seconds / 60) % 60} min"


def _table(title: str, caption: str, headings: tuple[str, ...]) -> Table:
    table = Table(
        title=title,
        caption=caption,
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in headings:
        table.add_column(name, justify="left" if name == "site" else "right", no_wrap=True)
    return table
