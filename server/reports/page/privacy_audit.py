"""What ``fedgraft audit privacy`` found, in the run's report, and the way to its page."""

from __future__ import annotations

from fedgraft.common.drawing.markup import Html, paragraph, section, table, tag
from fedgraft.server.reports.page.folder import RunFolder

PAGE = "audit.html"


def privacy_audit(run: RunFolder) -> Html | None:
    """The section; none without an audit of this run."""
    found = run.audit
    if found is None:
        return None
    rows = [(one["title"], " ".join(one["said"])) for one in found["attacks"]]
    return section(
        "Privacy, attacked",
        paragraph(
            "By whoever simulated the run, with all cases of all simulated sites. ",
            tag("a", "The whole audit", href=PAGE),
        ),
        table(None, ("asked", "found"), rows),
    )
