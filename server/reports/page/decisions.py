"""Thresholds and what comes of them, sets of answers against their promise, and cases left to a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fedgraft.common.drawing.charts import charts
from fedgraft.common.drawing.markup import (
    Content,
    Html,
    Row,
    beside,
    details,
    named,
    paragraph,
    section,
    table,
    tag,
)
from fedgraft.common.drawing.numbers import MISSING, of_hundred, percent, with_interval
from fedgraft.server.reports.page.curves import answered, benefit
from fedgraft.server.reports.page.folder import RunFolder

NAMES = ("sensitivity", "specificity", "ppv", "npv")
MOST_SHOWN = 3
_RULES = {
    "youden": "where sensitivity and specificity sum to the most",
    "sensitivity": "at a sensitivity of {value}",
    "specificity": "at a specificity of {value}",
    "cost": "where a missed case weighs as much as {value} false alarms",
}
_SOURCES = {"pooled": "all hospitals' cases", "own": "each hospital's own", "shrunk": "own, drawn to the common"}


def decisions(run: RunFolder) -> Html:
    """Operating points, decision curves, and the cases that a person sees."""
    if not run.thresholds:
        return section("Decisions", paragraph(_why_not(run)))
    tables = [_operating(run, name) for name in run.thresholds]
    sites = [_by_site(run, name) for name in run.thresholds]
    return section(
        "Decisions",
        *(
            paragraph(f"{why[:1].upper()}{why[1:]}.")
            for why in dict.fromkeys(run.decisions.get("because", {}).values())
        ),
        paragraph(_about(run), "Shares on test cases, with 95 % Wilson intervals."),
        *tables[:MOST_SHOWN],
        details(f"{len(tables) - MOST_SHOWN} more", *tables[MOST_SHOWN:]) if len(tables) > MOST_SHOWN else None,
        details(f"The same by hospital, at {_WHICH[run.threshold]}", *sites),
        _pairs(run),
    )


def _raw(run: RunFolder) -> Mapping[str, str]:
    """By class or finding whose threshold is the raw model's, why."""
    found: Mapping[str, str] = run.decisions.get("because", {})
    return found


_WHICH = {"chosen": "the chosen threshold", "half": "0.5 of the raw model"}


def _about(run: RunFolder) -> str:
    rule, raw = run.decisions["rule"], _raw(run)
    chosen = (
        f"The threshold was chosen on validation cases, {_RULES[rule['at']].format(value=rule['value'])}; "
        f"the cautious one so that at most {of_hundred(run.decisions['miss'])} of 100 positive cases are missed. "
    )
    first = "" if len(raw) == len(run.thresholds) else chosen
    if run.ranked:
        return first
    return f"{first}At 0.5 of the raw model hospitals count test cases exactly; at other thresholds {_BLURRED}. "


_BLURRED = "scores came in too few groups to say (see above)"


def _why_not(run: RunFolder) -> str:
    if not run.task.answers:
        return "No thresholds: this model ranks cases and does not answer yes or no."
    return (
        "No thresholds: they are chosen on validation cases and shown on test cases at hospitals (data.val_fraction "
        "and data.test_fraction above 0, data.test=sites); this run told none of one or the other."
    )


def _pairs(run: RunFolder) -> Html:
    pairs = [charts(*both) for both in zip(benefit(run), answered(run), strict=False)]
    if len(pairs) <= MOST_SHOWN:
        return tag("div", *pairs)
    return tag("div", *pairs[:MOST_SHOWN], details(f"{len(pairs) - MOST_SHOWN} more", *pairs[MOST_SHOWN:]))


def _operating(run: RunFolder, name: str) -> Html:
    one = run.thresholds[name]
    at = "" if one["probability"] is None else f" (at a probability of {percent(one['probability'])})"
    labels = {"half": "the raw model at 0.5"}
    if run.ranked and name not in _raw(run):
        labels = {"chosen": f"chosen{at}", "cautious": "cautious", "half": "beside it: the raw model at 0.5"}
    rows = [
        Row((label, *_shares(one[kind]["pooled"])), "beside" if kind == "half" else "all" if kind == "chosen" else None)
        for kind, label in labels.items()
    ]
    caption = tag("span", named(name), ", all hospitals together")
    return table(caption, ("threshold", *_HEADINGS), rows)


_HEADINGS = ("sensitivity", "specificity", "right among alarms (PPV)", "right among all-clears (NPV)")


def _shares(figures: Mapping[str, Any] | None) -> tuple[Content, ...]:
    return tuple(MISSING if figures is None else with_interval(figures[name]) for name in NAMES)


def _by_site(run: RunFolder, name: str) -> Html:
    told: Mapping[str, Any] = run.thresholds[name][run.threshold]["sites"]
    sites = run.clear(told) if run.ranked else run.of_listed(told)
    rows = [Row((named(site), *_shares(one)), "few" if run.too_few(site) else None) for site, one in sites.items()]
    return table(named(name), ("hospital", *_HEADINGS), rows)


def sets(run: RunFolder) -> Html:
    """Coverage of sets of answers, by hospital and by where their bounds come from."""
    if not run.decisions.get("sets") or not run.ranked:
        return section("Sets of answers", paragraph(_no_sets(run)))
    promise, used = run.decisions["coverage"], run.decisions["rule"]["by_site"]
    found = run.decisions["sets"]
    headings = (
        "hospital",
        *(f"{_SOURCES[source]}{' (used)' * (source == used)}" for source in _SOURCES),
        "answers in a set",
    )
    rows = [
        Row(
            (named(site), *(_coverage(found[source]["sites"][site]) for source in _SOURCES), _size(found[used], site)),
            "few" if run.too_few(site) else None,
        )
        for site in run.clear(found[used]["sites"])
    ]
    rows.append(Row(("all together", *(_coverage(found[source]["pooled"]) for source in _SOURCES), MISSING), "all"))
    return section(
        "Sets of answers",
        paragraph(
            f"Instead of one answer the model can give a set, which was promised to hold the true one for "
            f"{of_hundred(promise)} of 100 cases; two answers in it mean that a person should look. The table "
            "shows for how many of 100 test cases it did, and small, within which limits that lies 99 times of 100 if "
            "the promise is kept. “Drawn to the common” has no such limits."
        ),
        table(None, headings, rows),
        details("By true answer", *(_by_answer(run.clear(found[used]["sites"]), found[used]["pooled"]))),
    )


def _no_sets(run: RunFolder) -> str:
    if _raw(run) and not run.decisions.get("sets"):
        return "No sets of answers: scores came in too few groups to fit them to (see “Decisions”)."
    if not run.ranked:
        return f"How often sets of answers hold the true one on test cases is not known: {_BLURRED}."
    return _why_not(run).replace("thresholds", "sets of answers", 1)


def _coverage(one: Mapping[str, Any]) -> Content:
    if one["coverage"] is None:
        return "no test case"
    text = f"{100 * one['coverage']:.0f}"
    if not one["expected"]:
        return text
    low, high = one["expected"]
    css = "broken" if one["coverage"] < low else "kept"
    word = " too few" if one["coverage"] < low else " more than promised" if one["coverage"] > high else ""
    return tag("span", beside(f"{text}{word}", f"{100 * low:.0f} to {100 * high:.0f}"), class_=css)


def _size(found: Mapping[str, Any], site: str) -> str:
    size = found["sites"][site]["mean_size"]
    return MISSING if size is None else f"{size:.2f}"


def _by_answer(sites: Mapping[str, Any], pooled: Mapping[str, Any]) -> Iterator[Html]:
    names = list(pooled["by_answer"])
    rows = []
    for label, one in [*((named(name), one) for name, one in sites.items()), ("all together", pooled)]:
        cells = (tag("span", _coverage(at := one["by_answer"][name]), f" of {at['cases']} cases") for name in names)
        rows.append(Row((label, *cells)))
    yield table("Of 100 cases with this true answer, so many have it in their set", ("hospital", *names), rows)
