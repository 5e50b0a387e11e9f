"""Cases unlike those that the model was trained on: what share of normal work the warning flags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fedgraft.common.drawing.markup import Content, Html, Row, beside, named, paragraph, section, table
from fedgraft.common.drawing.numbers import MISSING, percent
from fedgraft.server.reports.page.folder import RunFolder


def unfamiliar(run: RunFolder) -> Html:
    """The section."""
    title, found = "Unlike the training cases", run.summary.get("familiarity")
    if not found:
        return section(
            title, paragraph("No warning of cases unlike the training cases: the run has none, or nobody told.")
        )
    rows = [Row((named(name), *_shares(one))) for name, one in run.of_listed(found["sites"]).items()]
    rows.append(Row(("all together", *_shares(found["pooled"])), "all"))
    return section(
        title,
        paragraph(
            "The model flags a case that is unlike those that it was trained on (another body part, another device), "
            f"so that a person looks. It was set to flag {percent(found['share'])} of validation cases; a hospital "
            "where it flags many more has other cases than the rest.",
            run.who_is_listed,
        ),
        table(None, ("hospital", "validation cases flagged", "test cases flagged"), rows),
    )


def far_apart(run: RunFolder) -> Html:
    """How far sites lie apart; nothing if the plan does not ask."""
    found = run.summary.get("site_distances")
    if not found:
        return Html("")
    rows = [
        Row((named(name), *_apart(found["before"].get(name)), *_apart(found["after"].get(name))))
        for name in run.of_listed(dict.fromkeys(sorted({*found["before"], *found["after"]})))
    ]
    heads = ("nearest before training", "deviations", "nearest to the final model", "deviations")
    return section(
        "How far hospitals lie apart",
        paragraph(
            "Between the means of two hospitals' patients, in deviations within a hospital, at equal prevalence where "
            "labels may be told; in brackets what chance gives once in a hundred federations."
        ),
        table(None, ("hospital", *heads), rows),
    )


def _apart(one: Mapping[str, Any] | None) -> tuple[Content, Content]:
    if not one:
        return MISSING, MISSING
    return named(one["nearest"]), beside(f"{one['deviations']:.2f}", f"{one['by_chance']:.2f}")


def _shares(splits: Mapping[str, Any]) -> tuple[Content, Content]:
    def told(split: str) -> Content:
        one = splits.get(split)
        return (
            MISSING
            if not one or not one["cases"]
            else beside(percent(one["share"]), f"{one['flagged']} of {one['cases']:,}")
        )

    return told("val"), told("test")
