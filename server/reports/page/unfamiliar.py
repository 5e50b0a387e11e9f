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
    rows = [Row((named(name), *_shares(one))) for name, one in found["sites"].items()]
    rows.append(Row(("all together", *_shares(found["pooled"])), "all"))
    return section(
        title,
        paragraph(
            "The model flags a case that is unlike those that it was trained on (another body part, another device), "
            f"so that a person looks. It was set to flag {percent(found['share'])} of validation cases; a hospital "
            "where it flags many more has other cases than the rest."
        ),
        table(None, ("hospital", "validation cases flagged", "test cases flagged"), rows),
    )


def _shares(splits: Mapping[str, Any]) -> tuple[Content, Content]:
    def told(split: str) -> Content:
        one = splits.get(split)
        return (
            MISSING
            if not one or not one["cases"]
            else beside(percent(one["share"]), f"{one['flagged']} of {one['cases']:,}")
        )

    return told("val"), told("test")
