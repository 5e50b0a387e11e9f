"""The commands that this console started, and what each printed."""

from __future__ import annotations

from collections.abc import Sequence

from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag
from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.web.frame import rows_table
from fedgraft.common.web.jobs import Job

HEADINGS = ("command", "begun", "state")


def job_list(jobs: Sequence[Job]) -> Html:
    """All, the newest first."""
    if not jobs:
        return section("Commands", paragraph("This console has started nothing yet."))
    rows = [(tag("a", one.title, href=f"/commands/{one.number}"), clock_time(one.began), state(one)) for one in jobs]
    return section("Commands", rows_table("Commands", HEADINGS, rows))


def job_part(job: Job, below: Content) -> Html:
    """One, with what it printed.

    Args:
        below: what may be done next.
    """
    said = tag("pre", job.said) if job.said else None
    return section(job.title, paragraph(state(job)), said, below)


def state(job: Job) -> Html:
    """How it stands."""
    if job.code is None:
        return tag("span", "running", class_="state")
    return tag("span", "done", class_="state good") if job.code == 0 else tag("span", "failed", class_="state broken")
