"""Subgroups of the test cases: does the model serve everyone alike? Figures, and gaps in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.common.drawing.charts import Axis, charts
from fedgraft.common.drawing.forest import Group, forest
from fedgraft.common.drawing.markup import (
    Content,
    Html,
    Row,
    beside,
    details,
    listed,
    named,
    paragraph,
    section,
    table,
    tag,
)
from fedgraft.common.drawing.numbers import FEW, MISSING, figure, percent, with_interval
from fedgraft.server.reports.page.folder import Figures, RunFolder

MOST_SHOWN = 3
"""Of more classes or findings, plots and tables are behind a click."""
ALPHA = 0.05


def subgroups(run: RunFolder) -> Html:
    """The section."""
    found = run.subgroups
    if not found:
        return section(
            "Subgroups",
            paragraph("Not audited: the plan names no columns of the manifests (audit.columns), such as sex or age."),
        )
    return section(
        "Subgroups",
        paragraph(
            "Does it serve everyone alike? Figures on the test cases of all hospitals that told them; lines are 95 % "
            "intervals, dashed is the figure of all together. Where lines are long there are too few cases to say. "
            "Whether a gap is more than chance counts how many comparisons were made."
        ),
        *(
            _column(run, column, _in_order(one) if run.plan.audit.bands.get(column) else one)
            for column, one in found.items()
        ),
    )


def _in_order(one: Figures) -> Figures:
    """The groups of a column of numbers, from the lowest band on."""

    def start(group: str) -> float:
        first = group.partition(" ")[0]
        return -math.inf if first == "below" else float(first) if first[:1] in "-0123456789" else math.inf

    def sorted_(groups: Figures) -> Figures:
        return {name: groups[name] for name in sorted(groups, key=start)}

    sites = {site: sorted_(groups) for site, groups in one["sites"].items()}
    return {**one, "groups": sorted_(one["groups"]), "sites": sites}


def _column(run: RunFolder, column: str, one: Figures) -> Html:
    if not one["groups"]:
        return tag("div", tag("h3", named(column)), paragraph("No hospital told figures by ", named(column), "."))
    parts = [_class(run, column, one, scored) for scored in run.task.scored]
    without = one["without"]
    return tag(
        "div",
        *parts[:MOST_SHOWN],
        details(f"{len(parts) - MOST_SHOWN} more", *parts[MOST_SHOWN:]) if len(parts) > MOST_SHOWN else None,
        None if parts else _ranked(run, column, one),
        _by_hospital(run, column, one),
        paragraph(
            "Told nothing by ",
            named(column),
            ": ",
            listed(without),
            " (too small a group, no such column, or the hospital does not allow it).",
        )
        if without
        else None,
    )


def _class(run: RunFolder, column: str, one: Figures, scored: str) -> Html:
    gaps = one["gaps"].get(scored, {})
    worst = (gaps.get("auroc") or {}).get("worst")
    groups = {name: group["classes"][scored] for name, group in one["groups"].items()}
    sentences = list(gap_sentences(column, gaps))
    return tag(
        "div",
        charts(_forest(run, column, scored, groups, worst), tag("ul", *(tag("li", words) for words in sentences))),
        _table(run, column, scored, one, worst),
    )


def _forest(run: RunFolder, column: str, scored: str, groups: Figures, worst: str | None) -> Html:
    several = len(run.task.scored) > 1
    drawn = [_group(name, one, name == worst) for name, one in groups.items()]
    ends = [end for one in drawn for end in (one.interval or ())]
    low = min([0.5, *(round(end - 0.05, 1) for end in ends)])
    untold = [name for name, one in groups.items() if one["auroc"] is None]
    title = _title(column, scored if several else None)
    below = tag("span", "Undefined, one class only: ", listed(untold)) if untold else None
    return forest(title, below, Axis("AUROC", max(0.0, low), 1.0), drawn, _whole(run))


def _title(column: str, scored: str | None) -> Html:
    """``AUROC by sex``, and of which class."""
    return tag("span", "AUROC by ", named(column), *(() if scored is None else (": ", named(scored))))


def _group(name: str, one: Figures, worst: bool) -> Group:
    if one["auroc"] is None:
        return Group(name, None, None, name)
    value, low, high = one["auroc"]
    words = f"{name}: {value:.3f} ({low:.3f} to {high:.3f})"
    return Group(name, value, (low, high), words, "bad" if worst else "other" if _few(one) else "c0")


def _few(one: Figures) -> bool:
    """Whether a subgroup has too few positive or negative cases to be called good or bad."""
    shares = [one.get(name) for name in ("sensitivity", "specificity")]
    return any(name in one for name in ("sensitivity", "specificity")) and any(
        share is None or share["cases"] < FEW for share in shares
    )


def _whole(run: RunFolder) -> float | None:
    test = run.summary["test"]
    found: float | None = test[run.headline] if test["source"] == "sites" and len(run.task.scored) == 1 else None
    return found


def _table(run: RunFolder, column: str, scored: str, one: Figures, worst: str | None) -> Html:
    headings = (column, "cases", "positive", "AUROC", "sensitivity", "specificity", "intercept (0 is right)")
    single = len(run.task.scored) == 1
    rows = []
    for name, group in one["groups"].items():
        figures = group["classes"][scored]
        notes = ["the lowest"] * (name == worst) + ["too few to say"] * _few(figures)
        label = tag("span", named(name), tag("span", ", ".join(notes), class_="note") if notes else None)
        cells = (
            f"{group['cases']:,}",
            percent(group["prevalence"]) if single else _positive(figures),
            _ended(figures["auroc"], 3),
            with_interval(figures.get("sensitivity")),
            with_interval(figures.get("specificity")),
            _ended(figures["intercept"], 2),
        )
        css = "worst" if name == worst else "few" if _few(figures) else None
        rows.append(Row((label, *cells), css))
    return table(None if single else named(scored), headings, rows)


def _positive(one: Figures) -> str:
    """The share of positives of one of several classes, from what the thresholds were counted on."""
    counts = [(one.get(name) or {}).get("cases", 0) for name in ("sensitivity", "specificity")]
    return percent(counts[0] / sum(counts)) if sum(counts) else MISSING


def _ended(value: list[float] | None, digits: int) -> Content:
    if value is None:
        return "undefined"
    middle, low, high = value
    return beside(f"{middle:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}")


def _ranked(run: RunFolder, column: str, one: Figures) -> Html:
    """A task without probabilities: the headline figure alone."""
    rows = [
        (named(name), f"{group['cases']:,}", percent(group["prevalence"]), figure(group[run.headline]))
        for name, group in one["groups"].items()
    ]
    return table(None, (column, "cases", "with event", run.heading), rows)


def _by_hospital(run: RunFolder, column: str, one: Figures) -> Html | None:
    if len(one["sites"]) < 2:
        return None
    rows = [
        (
            tag("span", named(site), ", ", named(name)),
            f"{group['cases']:,}",
            percent(group["prevalence"]),
            figure(group[run.headline]),
        )
        for site, groups in one["sites"].items()
        for name, group in groups.items()
    ]
    share = "positive" if run.task.has_probabilities else "with event"
    return details("By hospital", table(None, ("hospital, group", "cases", share, run.heading), rows))


_WORDS = {
    "auroc": ("AUROC differs by {gap:.2f}", "lowest"),
    "sensitivity": ("Sensitivity at the chosen threshold differs by {points:.0f} percentage points", "lowest"),
    "calibration": ("Calibration (the intercept) differs by {gap:.2f}", "farthest off"),
}


def gap_sentences(column: str, gaps: Mapping[str, Any]) -> Iterator[Html]:
    """Each gap between the groups of a column, and whether it is more than chance."""
    for name, (words, worst) in _WORDS.items():
        gap = gaps.get(name)
        what = words.partition(" differs")[0]
        if gap is None:
            yield tag("span", f"{what}: fewer than two groups of ", named(column), " have a figure to compare.")
            continue
        yield tag("span", *_gap(column, words, worst, gap), f": {_chance(gap)}.")


def _gap(column: str, words: str, worst: str, gap: Figures) -> Iterator[Content]:
    yield words.format(gap=gap["gap"], points=100 * gap["gap"])
    yield " between groups of "
    yield named(column)
    yield f" ({worst}: "
    yield named(gap["worst"])
    yield ")"


def _chance(gap: Figures) -> str:
    p = "p < 0.001" if gap["p"] < 0.001 else f"p = {gap['p']:.3f}" if gap["p"] < 0.1 else f"p = {gap['p']:.1f}"
    if gap["more_than_chance"]:
        return f"more than chance, {p}"
    return f"no more than chance{' among so many comparisons' * (gap['p'] < ALPHA)}, {p}"


def unequal(run: RunFolder) -> Iterator[tuple[Content, ...]]:
    """Gaps that are more than chance, as warnings."""
    for column, one in run.subgroups.items():
        for scored, gaps in one["gaps"].items():
            for name, (words, worst) in _WORDS.items():
                gap = gaps.get(name)
                if gap is not None and gap["more_than_chance"]:
                    of = (" for ", named(scored)) if len(one["gaps"]) > 1 else ()
                    yield (
                        "It does not serve everyone alike",
                        *of,
                        ": ",
                        *_gap(column, words, worst, gap),
                        f": {_chance(gap)}.",
                    )
