"""The part of a study's page that shows recipes beside each other: in words, as forest plots, and as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fedgraft.common.drawing.charts import Axis, around, charts
from fedgraft.common.drawing.forest import Group, forest
from fedgraft.common.drawing.markup import Content, Html, Row, beside, named, paragraph, section, table, tag
from fedgraft.common.drawing.numbers import MISSING, difference_words, spread_words

Found = Mapping[str, Any]
MEAN = "mean over hospitals"
_REACH = 0.5
"""Axes of differences end here: intervals of two seeds can be wider than all figures."""
_MOST_BY_SITE, _MOST_SITES, _LETTERS = 6, 20, 28
_COLOUR = {"better": "c2", "worse": "bad"}
_OUTCOME = {
    "better": "better",
    "worse": "worse",
    "better_alone": "better, if it were the only one",
    "worse_alone": "worse, if it were the only one",
    "no_difference": "none that can be shown",
    "same": "can't tell",
    "cannot_tell": "can't tell",
    "one_seed": "one seed: can't tell",
    "missing": MISSING,
}


def rivals_lead(found: Found) -> str:
    """In a sentence, which recipes are better or worse."""
    rivals = found["rivals"]
    reference, outcomes = rivals["names"][rivals["reference"]], rivals["difference"]
    shown = {
        which: [rivals["names"][method] for method, one in outcomes.items() if one["outcome"] == which]
        for which in ("better", "worse")
    }
    parts = [f"shown to be {which} than {reference}: {', '.join(some)}" for which, some in shown.items() if some]
    count = len(outcomes)
    if not parts:
        what = "The other recipe is" if count == 1 else f"None of {count} other recipes is"
        return f"{what} {'not ' if count == 1 else ''}shown to be better or worse than {reference}."
    said = f"Of {count} other recipe{'s' * (count > 1)}, {'; '.join(parts)}"
    return f"{said}{'' if sum(map(len, shown.values())) == count else '; of the others, no difference is shown'}."


def rivals_section(found: Found, few: Sequence[str], notes: Sequence[str]) -> Html:
    """The section.

    Args:
        few: sites with too few test cases, which are marked.
        notes: sentences that come last.
    """
    rivals = found["rivals"]
    reference = rivals["names"][rivals["reference"]]
    return section(
        "Recipes beside each other",
        paragraph(
            f"The same hospitals, cases, splits and seeds; each recipe in the place of {reference}. Right of the "
            f"dashed line it is better than {reference}, left of it worse; a line through a dot is the 95 % interval, "
            "and one that crosses the dashed line shows no difference."
            + " Grey: too few cases (†); what lies beyond the scale is at its end."
            * bool(few),
            class_="about",
        ),
        tag("ul", *(tag("li", sentence) for sentence in (*rivals["sentences"], *notes))),
        charts(*_plots(found, few)),
        _recipes(found),
        _sites(found, few),
    )


def _plots(found: Found, few: Sequence[str]) -> list[Html]:
    """A forest of the means, and of few recipes and sites one for each recipe by site, all on the same axis."""
    rivals = found["rivals"]
    compared: Mapping[str, Any] = rivals["difference"]
    axis = _axis(found, few)
    means = {
        method: _group(rivals["names"][method], one["mean_over_sites"], _COLOUR.get(one["outcome"], "c0"))
        for method, one in compared.items()
    }
    plots = [_drawn(found, "All recipes, mean over hospitals", axis, list(means.values()))]
    if len(compared) > _MOST_BY_SITE or not 1 < len(found["sites"]) <= _MOST_SITES:
        return plots
    for method, one in compared.items():
        sites = [
            _group(site + " †" * (site in few), one["by_site"][site], "other" if site in few else "c0")
            for site in found["sites"]
        ]
        title = f"{rivals['names'][method]}, by hospital"
        plots.append(_drawn(found, title, axis, [*sites, replace(means[method], name=MEAN)]))
    return plots


def _group(name: str, one: Mapping[str, Any], css: str) -> Group:
    interval = None if one["low"] is None else (one["low"], one["high"])
    return Group(name, one["mean"], interval, f"{name}: {difference_words(one)}", css)


def _axis(found: Found, few: Sequence[str]) -> Axis:
    """An axis that holds all differences but those at sites with too few cases, as far as `_REACH`."""
    shown = [site for site in found["sites"] if site not in few] or found["sites"]
    each = [
        one
        for compared in found["rivals"]["difference"].values()
        for one in (compared["mean_over_sites"], *(compared["by_site"][site] for site in shown))
    ]
    ends = [0.0, *(one[end] for one in each for end in ("mean", "low", "high") if one[end] is not None)]
    reference = found["rivals"]["names"][found["rivals"]["reference"]]
    held = around([min(max(end, -_REACH), _REACH) for end in ends], f"{found['heading']} minus {reference}")
    return replace(held, words=lambda value: "0" if value == 0 else f"{value:+g}")


def _drawn(found: Found, title: str, axis: Axis, groups: Sequence[Group]) -> Html:
    reference = found["rivals"]["names"][found["rivals"]["reference"]]
    letters = min(max(len(group.name) for group in groups), _LETTERS)
    return forest(title, None, axis, groups, 0.0, f"no difference to {reference}", letters)


def _recipes(found: Found) -> Html:
    rivals = found["rivals"]
    chosen = rivals["chosen"]
    rows = []
    for method, name in rivals["names"].items():
        one = rivals["difference"].get(method)
        note = "chosen by validation" if chosen is not None and chosen["method"] == method else ""
        title = beside(name, note) if note else named(name)
        told: tuple[Content, ...] = (MISSING,) * 3
        if one is not None:
            p = one["p_holm"]
            p = MISSING if p is None else "below 0.001" if p < 0.001 else f"{p:.3f}"
            told = (difference_words(one["mean_over_sites"]), p, _OUTCOME[one["outcome"]])
        figures = (spread_words(rivals["validation"][method]), spread_words(found["mean_over_sites"][method]))
        rows.append(Row((title, *figures, *told)))
    reference = rivals["names"][rivals["reference"]]
    p = "p" if len(rivals["difference"]) == 1 else "p (Holm)"
    headings = ("recipe", "validation cases", "test cases", f"test, minus {reference}", p, "difference")
    return table(f"{found['heading']}, mean over hospitals", headings, rows)


def _sites(found: Found, few: Sequence[str]) -> Html:
    rivals = found["rivals"]
    compared, names = rivals["difference"], rivals["names"]
    rows = []
    for site in found["sites"]:
        cells = (difference_words(one["by_site"][site]) for one in compared.values())
        rows.append(Row((tag("span", named(site), " †" * (site in few)), *cells), "few" if site in few else None))
    rows.append(Row((MEAN, *(difference_words(one["mean_over_sites"]) for one in compared.values())), "all"))
    title = f"Difference by hospital, minus {names[rivals['reference']]}"
    return table(title, ("hospital", *(names[method] for method in compared)), rows)
