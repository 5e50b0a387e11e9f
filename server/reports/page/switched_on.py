"""What the plan switched on, and the plan itself."""

from __future__ import annotations

from importlib.metadata import version

from fedgraft.common.drawing.markup import Html, details, paragraph, section, tag
from fedgraft.common.plan.summary import summary_lines
from fedgraft.server.reports.page.folder import RunFolder


def switched_on(run: RunFolder) -> Html:
    """The section."""
    pairs = [line.partition(": ") for line in summary_lines(run.plan)]
    facts = {
        "plan digest": run.summary["plan_digest"],
        "seed": str(run.summary["seed"]),
        "page made by": f"fedgraft {version('fedgraft')}",
    }
    items = [(name, value) for name, _, value in pairs] + list(facts.items())
    return section(
        "What was switched on",
        tag("dl", *(part for name, value in items for part in (tag("dt", name), tag("dd", value)))),
        *(paragraph("On the data: ", note) for note in run.summary.get("notes", ())),
        paragraph(
            "Privacy: cases, identifiers and file names stay at each hospital. What left is listed there in "
            "state/released.jsonl; the plan below says which figures it was asked to release (release)."
        ),
        details("The whole plan (plan.yaml)", tag("pre", run.plan_text)),
    )
