"""ROC, precision and recall, and reliability, from the points of `fedgraft.common.decisions.curves` as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fedgraft.common.drawing.charts import Axis, Series, chart
from fedgraft.common.drawing.markup import Html, named
from fedgraft.common.drawing.numbers import percent

COLOURS = ("c0", "c1", "c2", "c3", "c4", "c5")
WHOLE = "{:.0%}".format
Figures = Mapping[str, Any]
Points = Sequence[Mapping[str, float]]


def roc_curve(known: Mapping[str, Points]) -> Html:
    """By class, false alarms against positives found."""
    series = [
        Series(
            [(0.0, 0.0), *((p["false_positive_rate"], p["sensitivity"]) for p in points)],
            _colour(place),
            named(name),
            ["", *(_words(p) for p in points)],
        )
        for place, (name, points) in enumerate(known.items())
    ]
    guide = Series([(0, 0), (1, 1)], "guide", "guessing")
    return chart(
        "ROC curve", None, Axis("false alarms among negatives"), Axis("sensitivity: positives found"), [*series, guide]
    )


def precision_curve(known: Mapping[str, Points], share: float) -> Html:
    """By class, positives found against alarms that are right.

    Args:
        share: of positives, which guessing would give with one class.
    """
    series = [
        Series(
            [(p["sensitivity"], p["precision"]) for p in points],
            _colour(place),
            named(name),
            [_words(p) for p in points],
        )
        for place, (name, points) in enumerate(known.items())
    ]
    if len(known) == 1:
        series.append(Series([(0, share), (1, share)], "guide", "guessing"))
    return chart(
        "Precision-recall curve",
        None,
        Axis("recall: positives found"),
        Axis("precision: alarms that are right"),
        series,
    )


def _words(point: Mapping[str, float]) -> str:
    return (
        f"finds {percent(point['sensitivity'])}, false alarms {percent(point['false_positive_rate'])}, "
        f"{percent(point['precision'])} of alarms right"
    )


def reliability(name: str, before: Figures, after: Figures) -> Html:
    """A reliability diagram before and after calibration, of `fedgraft.common.calibration.figures`."""
    series = [Series([(0, 0), (1, 1)], "guide", "perfect")]
    for when, one, css in (("before", before, "other"), ("after", after, "c0")):
        points = one["reliability"]
        series.append(
            Series(
                [(p["predicted"], p["observed"]) for p in points],
                css,
                f"{when} calibration",
                [
                    f"said {percent(p['predicted'])}, had it {percent(p['observed'])}: {p['cases']} cases"
                    for p in points
                ],
                [(p["low"], p["high"]) for p in points] if when == "after" else (),
                line=False,
                dots=True,
            )
        )
    x, y = Axis("probability that the model says", 0, 1, WHOLE), Axis("share that has it", 0, 1, WHOLE)
    below = f"Error {after['ece']:.3f}; by chance up to {after['ece_by_chance']:.3f} (95 of 100 times)."
    return chart(f"Reliability: {name}", below, x, y, series)


def _colour(place: int) -> str:
    return COLOURS[place % len(COLOURS)]
