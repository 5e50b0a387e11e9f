"""ROC, precision and recall, reliability, net benefit, and what is wrong among the cases that are answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.common.drawing.charts import Axis, Series, around, chart, charts
from fedgraft.common.drawing.curves import precision_curve, reliability, roc_curve
from fedgraft.common.drawing.markup import Content, Html, beside, details, named, paragraph, section, table
from fedgraft.common.drawing.numbers import figure, percent
from fedgraft.server.reports.page.folder import RunFolder

MOST_SHOWN = 3
"""Reliability diagrams of more classes are behind a click."""
SHARE, WHOLE = "{:g}".format, "{:.0%}".format

Curves = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]


def telling_apart(run: RunFolder) -> Html:
    """ROC and precision-recall curves over all sites' test cases."""
    if not run.ranked:
        return section("Telling cases apart", paragraph(_BLURRED.format("curves")))
    curves = _curves(run)
    known = {name: one["roc"] for name, one in curves.items() if one.get("roc")}
    if not known:
        return section("Telling cases apart", paragraph(_why_not(run, "curves")))
    return section(
        "Telling cases apart",
        paragraph(
            "Every threshold at once: the further a curve bends away from the dashed line, the better. Over all "
            "hospitals' test cases, with calibrated scores, so that the area may differ a little from the AUROC above."
        ),
        charts(roc_curve(known), precision_curve(known, run.summary["test"]["prevalence"])),
    )


def probabilities(run: RunFolder) -> Html:
    """Calibration: reliability diagrams before and after, with the error and its bound."""
    pooled = run.calibration.get("pooled")
    if not pooled:
        return section("Probabilities", paragraph(_why_not(run, "calibration")))
    if not run.ranked:
        return section(
            "Probabilities", paragraph(_BLURRED.format("figures of calibration"), " ", _calibrated(run), ".")
        )
    said = _calibrated(run)
    names = list(pooled["after"]["classes"])
    figures = [reliability(name, *(pooled[when]["classes"][name] for when in ("before", "after"))) for name in names]
    rest = figures[MOST_SHOWN:]
    return section(
        "Probabilities",
        paragraph(
            f"{said}. If the model says 30 %, 30 of 100 such cases should have it: points should lie on the dashed "
            "line. Below: by how much they are off (ECE), and what a perfect model would be off by chance."
        ),
        charts(*figures[:MOST_SHOWN]),
        details(f"{len(rest)} more", charts(*rest)) if rest else None,
        _calibration_table(run, names),
        details(
            "Hospitals without maps of their own",
            *(
                paragraph(named(name), f": {why}.")
                for name, why in run.of_listed(run.calibration["pooled_because"]).items()
            ),
            paragraph(run.who_is_listed) if run.is_crowd else None,
        )
        if run.calibration.get("pooled_because")
        else None,
    )


_BLURRED = "No {}: hospitals told scores in too few groups for them (see above)."


def _calibrated(run: RunFolder) -> str:
    method = run.calibration["method"]
    if method == "none":
        return "Not calibrated: probabilities are the model's own"
    return f"Calibrated by “{method}” on {run.calibration['from_cases']:,} validation cases"


def _calibration_table(run: RunFolder, names: Sequence[str]) -> Html:
    headings = (
        "",
        "ECE before",
        "ECE after",
        "by chance",
        "slope after (1 is right)",
        "intercept after (0 is right)",
        "Brier after",
    )
    places = {"all together": run.calibration["pooled"], **run.clear(run.calibration["by_site"])}
    if run.calibration.get("central"):
        places["the coordinator's cases"] = run.calibration["central"]
    rows: list[list[Content]] = []
    for name in names:
        for place, both in places.items():
            before, after = (both[when]["classes"].get(name) for when in ("before", "after"))
            if after is None:
                continue
            label = named(place) if len(names) == 1 else f"{name}, {place}"
            chance, brier = figure(after["ece_by_chance"]), figure(after["brier"]["brier"])
            ends = [_ended(after, key) for key in ("slope", "intercept")]
            rows.append([label, figure(before["ece"]), figure(after["ece"]), chance, *ends, brier])
    whole = table(None, headings, rows)
    return whole if len(rows) <= 12 else details("All figures of calibration", whole)


def _ended(after: Mapping[str, Any], key: str) -> Content:
    value, interval = after[key], after[f"{key}_interval"]
    if value is None:
        return "undefined"
    return f"{value:.2f}" if interval is None else beside(f"{value:.2f}", f"{interval[0]:.2f} to {interval[1]:.2f}")


def benefit(run: RunFolder) -> list[Html]:
    """Decision curves, one for each class."""
    found = []
    for name, one in _curves(run).items():
        points = one["benefit"]
        if not points:
            continue
        top = max(0.05, *(max(p["model"], p["everyone"]) for p in points))
        y = Axis("net benefit per case", -0.25 * top, 1.05 * top, SHARE)
        kept = [p for p in points if p["model"] > -0.25 * top]
        all_ = [p for p in points if p["everyone"] > -0.25 * top]
        series = [
            Series(
                [(p["at"], p["model"]) for p in kept],
                "c0",
                "act by the model",
                [f"from {percent(p['at'])} on: {p['model']:.3f}" for p in kept],
            ),
            Series([(p["at"], p["everyone"]) for p in all_], "other", "act on everyone"),
            Series([(0, 0), (1, 0)], "guide", "act on nobody"),
        ]
        found.append(
            chart(f"Decision curve: {name}", _BENEFIT, Axis("act from this probability on", 0, 1, WHOLE), y, series)
        )
    return found


def answered(run: RunFolder) -> list[Html]:
    """What is wrong if a person looks at the cases nearest to the threshold, by class."""
    found = []
    for name, one in _curves(run).items():
        points = one["answered"]
        if not points:
            continue
        missed = [p for p in points if p["missed"] is not None]
        y = around([0.0, *(p["wrong"] for p in points), *(p["missed"] for p in missed)], "share", WHOLE)
        series = [
            Series(
                [(p["answered"], p["wrong"]) for p in points],
                "c0",
                "answered wrongly",
                [f"answers {percent(p['answered'])}: {percent(p['wrong'])} wrong" for p in points],
            ),
            Series(
                [(p["answered"], p["missed"]) for p in missed],
                "c1",
                "positives missed, of those answered",
                [f"answers {percent(p['answered'])}: {percent(p['missed'])} of positives missed" for p in missed],
            ),
        ]
        found.append(
            chart(
                f"If a person sees the rest: {name}",
                _ANSWERED,
                Axis("answered by the model", 0, 1, WHOLE),
                Axis("share", 0.0, max(y.high, 0.1), WHOLE),
                series,
            )
        )
    return found


_BENEFIT = (
    "Positives found, less false alarms at the price that the probability implies. The model is worth using where its "
    "line is the highest."
)
_ANSWERED = "The model answers the cases farthest from the threshold; a person looks at the others."


def _curves(run: RunFolder) -> Curves:
    found: Curves = run.decisions.get("curves", {}) if run.ranked else {}
    return found


def _why_not(run: RunFolder, what: str) -> str:
    if not run.task.has_probabilities:
        return f"No {what}: this model ranks cases and gives no probabilities."
    if not any(one["split"] == "test" and one["cases"] for one in run.sites.values()):
        return f"No {what}: no hospital told figures on test cases (data.test=sites and data.test_fraction above 0 do)."
    return f"No {what}: the run told no validation cases, or predates {what} (data.val_fraction above 0 gives them)."
