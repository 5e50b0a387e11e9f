"""Subgroups of the test cases: does the model serve everyone alike? Figures, and gaps in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.common.drawing.charts import charts
from fedgraft.common.drawing.groups import group_forest, group_table
from fedgraft.common.drawing.markup import Content, Html, details, listed, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import figure, percent
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
            "Whether a gap is more than chance counts how many comparisons were made.",
            " Hospitals told scores in groups (see above): AUROC is a little too low, and not given where groups are "
            "too few." * bool(run.in_groups),
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
    gaps, single = one["gaps"].get(scored, {}), len(run.task.scored) == 1
    worst = (gaps.get("auroc") or {}).get("worst")
    groups = {
        name: {
            **group["classes"][scored],
            "cases": group["cases"],
            "prevalence": group["prevalence"] if single else None,
        }
        for name, group in one["groups"].items()
    }
    drawn = group_forest(column, None if single else scored, groups, worst, _whole(run))
    sentences = tag("ul", *(tag("li", said) for said in gap_sentences(column, gaps)))
    return tag("div", charts(drawn, sentences), group_table(column, None if single else scored, groups, worst))


def _whole(run: RunFolder) -> float | None:
    test = run.summary["test"]
    found: float | None = test[run.headline] if test["source"] == "sites" and len(run.task.scored) == 1 else None
    return found


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
            "not given" if group.get("blurred") else figure(group[run.headline]),
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
