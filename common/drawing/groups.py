"""Figures of groups of cases beside each other: a forest plot and a table, the worst marked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgraft.common.drawing.charts import Axis
from fedgraft.common.drawing.forest import Group, forest
from fedgraft.common.drawing.markup import Content, Html, Row, beside, listed, named, table, tag, together
from fedgraft.common.drawing.numbers import MISSING, percent, with_interval
from fedgraft.common.tasks.areas import FEW

Figures = Mapping[str, Any]
"""Of a group: ``cases``, ``prevalence`` (``None``: as counted at the threshold), and what
`fedgraft.common.decisions.group_figures.group_figures` gives."""


def group_forest(
    column: str, scored: str | None, groups: Mapping[str, Figures], worst: str | None, whole: float | None
) -> Html:
    """The AUROC of each group with its interval.

    Args:
        scored: the class, if there are several.
        worst: the group that is marked.
        whole: the AUROC of all together.
    """
    drawn = [_group(name, one, name == worst) for name, one in groups.items()]
    ends = [end for one in drawn for end in (one.interval or ())]
    low = min([0.5, *(round(end - 0.05, 1) for end in ends)])
    blurred = [name for name, one in groups.items() if one.get("blurred")]
    untold = [name for name, one in groups.items() if one["auroc"] is None and name not in blurred]
    title = tag("span", "AUROC by ", named(column), *(() if scored is None else (": ", named(scored))))
    said = {"Undefined, too few cases of a side: ": untold, "Not given, scores in too few groups: ": blurred}
    below = [tag("span", words, listed(names), ". ") for words, names in said.items() if names]
    return forest(title, together(below) if below else None, Axis("AUROC", max(0.0, low), 1.0), drawn, whole)


def _group(name: str, one: Figures, worst: bool) -> Group:
    if one["auroc"] is None:
        return Group(name, None, None, name)
    value, low, high = one["auroc"]
    words = f"{name}: {value:.3f} ({low:.3f} to {high:.3f})"
    return Group(name, value, (low, high), words, "bad" if worst else "other" if few(one) else "c0")


def few(one: Figures) -> bool:
    """Whether a group has too few positive or negative cases to be called good or bad."""
    known = [name for name in ("sensitivity", "specificity") if name in one]
    return any(one[name] is None or one[name]["cases"] < FEW for name in known)


def group_table(column: str, scored: str | None, groups: Mapping[str, Figures], worst: str | None) -> Html:
    """Cases, prevalence, AUROC, sensitivity, specificity and calibration of each group."""
    headings = (column, "cases", "positive", "AUROC", "sensitivity", "specificity", "intercept (0 is right)")
    rows = []
    for name, one in groups.items():
        notes = ["the lowest"] * (name == worst) + ["too few to say"] * few(one)
        notes += ["scores in too few groups"] * bool(one.get("blurred"))
        label = tag("span", named(name), tag("span", ", ".join(notes), class_="note") if notes else None)
        cells = (
            f"{one['cases']:,}",
            _positive(one),
            "not given" if one.get("blurred") else ended(one["auroc"], 3),
            with_interval(one.get("sensitivity")),
            with_interval(one.get("specificity")),
            "not given" if one.get("blurred") else ended(one["intercept"], 2),
        )
        rows.append(Row((label, *cells), "worst" if name == worst else "few" if few(one) else None))
    return table(None if scored is None else named(scored), headings, rows)


def _positive(one: Figures) -> str:
    if one["prevalence"] is not None:
        return percent(one["prevalence"])
    counts = [(one.get(name) or {}).get("cases", 0) for name in ("sensitivity", "specificity")]
    return percent(counts[0] / sum(counts)) if sum(counts) else MISSING


def ended(value: list[float] | None, digits: int) -> Content:
    """A figure and below it its interval; of ``(value, low, high)``."""
    if value is None:
        return "undefined"
    middle, low, high = value
    return beside(f"{middle:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}")
