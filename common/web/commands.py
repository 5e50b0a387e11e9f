"""The commands that this console started, and what each printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag
from fedgraft.common.runtime.moments import clock_time
from fedgraft.common.web.frame import live, rows_table
from fedgraft.common.web.jobs import Job, Jobs
from fedgraft.common.web.requests import token_of

HEADINGS = ("command", "begun", "state")
PATH = "/commands"


@dataclass(frozen=True)
class CommandPages:
    """The pages of the commands that a console starts.

    Args:
        page: a page of the console, from its path among the links and its parts.
        below: what may be done after a command, in a session with this token.
    """

    jobs: Jobs
    page: Callable[[Request, str, list[Content]], Response]
    below: Callable[[Job, str], Content]

    def gets(self) -> Mapping[str, Callable[[Request], Response]]:
        """What is answered, by path."""
        return {PATH: self._all, f"{PATH}/{{number:int}}": self._one}

    def parts(self, token: str) -> Mapping[str, Html]:
        """The live parts, by name."""
        jobs = self.jobs.all()
        return {"commands": job_list(jobs)} | {f"command-{one.number}": self._part(one, token) for one in jobs}

    def _all(self, request: Request) -> Response:
        return self.page(request, PATH, [live("commands", job_list(self.jobs.all()))])

    def _one(self, request: Request) -> Response:
        job = self.jobs.find(request.path_params["number"])
        if job is None:
            return PlainTextResponse("there is no such command\n", 404)
        return self.page(request, PATH, [live(f"command-{job.number}", self._part(job, token_of(request)))])

    def _part(self, job: Job, token: str) -> Html:
        return job_part(job, self.below(job, token))


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
