"""Past runs, with their reports."""

from __future__ import annotations

from starlette.responses import Response

from fedgraft.common.drawing.markup import Content, Html, named, paragraph, section, tag
from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.web.frame import button, form, hidden, rows_table
from fedgraft.common.web.requests import kept_page
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.watching.runs import REPORT, PastRun, folder_of
from fedgraft.server.watching.snapshot import Federation
from fedgraft.server.watching.words import figure_with_mark

HEADINGS = ("run", "begun", "state", "rounds", "figure", "report", "to do")
_CSS = {"completed": "state good", "ended": "state broken", "cut off": "state broken"}


def past_part(found: Federation, token: str) -> Html:
    """A row for each run."""
    if not found.runs:
        return section("Runs", paragraph("No run has begun yet."))
    rows = [_row(one, token) for one in found.runs]
    return section("Runs", rows_table("Runs", HEADINGS, rows))


def _row(one: PastRun, token: str) -> tuple[Content, ...]:
    report = tag("a", "report", href=f"/report/{one.name}") if one.report else "none"
    again = form("/resume", token, hidden("run", one.name), button("Go on", "quiet")) if _may_go_on(one) else None
    return (
        named(one.name),
        clock_time(one.began),
        tag("span", one.state, class_=_CSS.get(one.state, "state")),
        f"{max(one.number, 0)} of {one.rounds}",
        figure_with_mark(one.figure, one.value, one.groups) if one.value is not None or one.groups else None,
        report,
        again,
    )


def _may_go_on(one: PastRun) -> bool:
    return one.state in ("ended", "cut off")


def report_of(folder: Folder, name: str) -> Response:
    """The report of a run."""
    out = folder_of(folder, name)
    return kept_page(None if out is None else out / REPORT)
