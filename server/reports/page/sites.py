"""Hospitals and their figures, with intervals; the worst is marked, and those with too few cases are told apart."""

from __future__ import annotations

from collections.abc import Iterator

from fedgraft.common.drawing.charts import Axis, Series, around, chart, strip
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
from fedgraft.common.drawing.numbers import MISSING, figure, percent, with_interval
from fedgraft.server.reports.crowd import SHARES, quantiles
from fedgraft.server.reports.page.folder import Figures, RunFolder


def hospitals(run: RunFolder) -> Html:
    """The section."""
    split = next((one["split"] for one in run.sites.values()), "test")
    chose = ", which helped to choose the model" if run.chose_best else ""
    kind = {"test": "test cases", "val": f"validation cases{chose}"}[split]
    return section(
        "Hospitals",
        paragraph(f"The final model on each hospital's {kind}.", _about_intervals(run), run.who_is_listed),
        _all_in_one(run),
        _table(run),
        _all_figures(run),
        _findings(run),
    )


def _all_in_one(run: RunFolder) -> Html | None:
    """Of many hospitals: all as one curve, and quantiles."""
    if not run.is_crowd:
        return None
    values = [run.shown(name, run.headline) for name in run.sites]
    shares = [place / 100 for place in range(101)]
    points = [
        (share, value) for share, value in zip(shares, quantiles(values, shares), strict=True) if value is not None
    ]
    tips = [f"{100 * share:.0f} % of hospitals are at {value:.3f} or below" for share, value in points]
    curve = Series(points, "c0", None, tips)
    known = sum(value is not None for value in values)
    counted = quantiles([float(one["cases"]) for one in run.sites.values()])
    rows = [
        (words, figure(value), MISSING if cases is None else f"{cases:,.0f}")
        for words, value, cases in zip(SHARES, quantiles(values), counted, strict=True)
    ]
    below = f"The {known:,} hospitals with a defined {run.heading} of {len(values):,}, from the lowest to the highest."
    drawn = None
    if points:
        axis = around([value for _, value in points], run.heading, "{:.2f}".format)
        drawn = chart(f"{run.heading} over all hospitals", below, Axis("share of hospitals", 0.0, 1.0), axis, [curve])
    return tag(
        "div",
        drawn,
        table(None, ("of all hospitals", run.heading, "cases tested"), rows),
    )


def _about_intervals(run: RunFolder) -> str:
    if len(run.task.scored) == 1:
        return (
            " Small: 95 % intervals (DeLong for the AUROC, Wilson for shares): how far off a figure may "
            "be from the number of cases alone."
        )
    if any(run.interval(name) for name in (None, *run.sites)):
        return f" Small: 95 % intervals of the {run.heading}: how far off it may be from the number of cases alone."
    return f" The {run.heading} has no interval here."


def _table(run: RunFolder) -> Html:
    single = next(iter(run.thresholds), None) if len(run.thresholds) == 1 else None
    share = "with event" if "events" in run.summary["test"] else "positive"
    headings = ["hospital", "cases tested", share, run.heading, "0.5 to 1"]
    headings += [f"{single} found", "others left alone"] if single else []
    calibrated = bool(run.calibration.get("by_site"))
    headings += ["probabilities off by"] if calibrated else []
    rows = [_row(run, name, single, calibrated) for name in run.listed]
    test = run.summary["test"]
    if test["source"] == "sites" and test["cases"]:
        cells = _cells(run, test, None)
        at = run.thresholds[single][run.threshold]["pooled"] if single else {}
        cells += [with_interval(at[name]) for name in ("sensitivity", "specificity")] if single else []
        cells += [_off(run.calibration["pooled"] if run.ranked else None)] if calibrated else []
        rows.append(Row(("all together", *cells), "all"))
    return table(None, headings, rows)


def _row(run: RunFolder, name: str, single: str | None, calibrated: bool) -> Row:
    figures, few = run.sites[name], run.too_few(name)
    cells = _cells(run, figures, name, few)
    if single:
        blurred = run.ranked and run.is_blurred(name)
        at = {} if blurred else run.thresholds[single][run.threshold]["sites"].get(name, {})
        cells += [with_interval(at.get(one)) for one in ("sensitivity", "specificity")]
    cells += [_off(None if run.is_blurred(name) else run.calibration["by_site"].get(name))] if calibrated else []
    note = "the weakest" if name == run.worst else None
    if note is None and few and figures["cases"]:
        note = "scores in too few groups" if run.is_blurred(name) else "too few to say"
    held = " never trained" if name in run.summary["held_out"] else ""
    said = tag("span", note or "", "," * bool(note and held), held, class_="note") if note or held else None
    return Row((tag("span", named(name), said), *cells), "worst" if name == run.worst else "few" if few else None)


def _cells(run: RunFolder, figures: Figures, site: str | None, few: bool = False) -> list[Content]:
    value = run.shown(site, run.headline)
    if not figures["cases"]:
        return ["none told", MISSING, "not known", MISSING]
    interval = None if few or value is None else run.interval(site)
    why = f"undefined: {run.task.undefined}" if figures[run.headline] is None else "not given"
    words = figure(value) if value is not None else why
    ends = None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
    drawn = MISSING if value is None else strip(Axis("", 0.5, 1.0), value, interval, f"{words} {ends or ''}")
    shown = words if ends is None else beside(words, ends)
    return [f"{figures['cases']:,}", percent(figures["prevalence"]), shown, drawn]


def _off(one: Figures | None) -> Content:
    """The calibration error after calibration, and the bound of chance."""
    if not one:
        return MISSING
    after = one["after"]
    return beside(f"{100 * after['ece']:.1f} points", f"chance: {100 * after['ece_by_chance']:.1f}")


def _all_figures(run: RunFolder) -> Html:
    """Every figure of the table that a run prints, as in summary.json."""
    columns = run.summary["columns"]
    rows = [
        Row(
            (
                named(name),
                *(figure(run.shown(name, key)) for key in columns),
                figure(one.get("loss")),
                f"{one['examples']:,}",
            )
        )
        for name, one in run.of_listed(run.sites).items()
    ]
    test = run.summary["test"]
    label = "all together" if test["source"] == "sites" else "the coordinator's test set"
    rows.append(
        Row((label, *(figure(run.shown(None, key)) for key in columns), figure(test.get("loss")), MISSING), "all")
    )
    half = " Sensitivity, specificity and the like are here at probability 0.5 of the raw model; see “Decisions”."
    return details(
        "All figures by hospital",
        paragraph(
            "A dash: undefined (for instance cases of one class only)",
            ", not released, or from scores in too few groups." if run.in_groups else " or not released.",
            half,
        ),
        table(None, ("hospital", *columns.values(), "loss", "training cases"), rows),
    )


def _findings(run: RunFolder) -> Html | None:
    """With findings: the figures of each."""
    findings: dict[str, Figures] = run.summary["test"].get("findings", {})
    if not findings:
        return None
    headings = ("finding", "known in", "positive", run.heading, "AUPRC")
    return details(
        "By finding, all hospitals together",
        table(None, headings, [Row(tuple(_of(n, f))) for n, f in findings.items()]),
    )


def _of(name: str, one: Figures) -> Iterator[Content]:
    yield named(name)
    yield f"{one['cases']:,} cases"
    yield percent(one["prevalence"])
    yield figure(one["auroc"]) if one["auroc"] is not None else "undefined: one side only"
    yield figure(one["auprc"])
