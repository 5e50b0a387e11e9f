"""Figures of a study as cells of a table, and what its methods are called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.common.drawing.numbers import alike, signed

UNDEFINED = "undefined"
TITLES = {
    "federated": "federated",
    "local": "each site alone",
    "pooled": "pooled",
    "leave_one_site_out": "trained without it",
    "simpler": "the simplest network",
}


def title_of(found: Mapping[str, Any], method: str) -> str:
    """What a method is called; beside rivals the recipe itself has a name too."""
    names: Mapping[str, str] = found.get("rivals", {}).get("names", {})
    return names.get(method) or TITLES.get(method, method)


def spread_cell(one: Mapping[str, Any]) -> str:
    """``0.850 ± 0.071``, and a star if a value is undefined; or why there is none."""
    if one["mean"] is None:
        return str(one.get("absent", UNDEFINED))
    mark = " *" if None in one["values"] else ""
    return f"{one['mean']:.3f}{deviation(one)}{mark}"


def deviation(one: Mapping[str, Any]) -> str:
    """``± 0.071``; empty if there is none."""
    return "" if one["sd"] is None else f" ± {one['sd']:.3f}"


def difference_cell(one: Mapping[str, Any]) -> str:
    """``-0.004 [-0.012, +0.005]``, or what stands in the place of the interval."""
    if one["mean"] is None:
        return UNDEFINED
    if one.get("same"):
        return f"{signed(one['mean'])} ({alike(one)})"
    return signed(one["mean"]) + ("" if one["low"] is None else f" [{signed(one['low'])}, {signed(one['high'])}]")


def line(cells: Sequence[str]) -> str:
    """A line of a table in Markdown."""
    return f"| {' | '.join(cells)} |"
