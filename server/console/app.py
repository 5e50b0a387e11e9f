"""The coordinator's console as an application: what each page shows, and what each form does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag, together
from fedgraft.common.errors import DeploymentError, FedGraftError
from fedgraft.common.runtime.files import private_folder
from fedgraft.common.web.commands import CommandPages
from fedgraft.common.web.frame import Frame, Told, button, form, live, page, tick
from fedgraft.common.web.frame import field as text_field
from fedgraft.common.web.jobs import Job, Jobs
from fedgraft.common.web.requests import form_of, see, token_of
from fedgraft.common.web.site import application
from fedgraft.server.console.hospitals import hospital_rows, invitations, status_line
from fedgraft.server.console.metrics import metrics
from fedgraft.server.console.past import past_part, report_of
from fedgraft.server.console.run import run_part
from fedgraft.server.console.starting import (
    PLANS,
    draft_link,
    draft_name,
    go_form,
    pasted,
    plans,
    start_form,
    text_of,
)
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.invitations import confirm, invite
from fedgraft.server.deployment.open_runs import of_folder
from fedgraft.server.watching.runs import folder_of
from fedgraft.server.watching.snapshot import Federation

LINKS = {"/": "Now", "/runs": "Runs", "/start": "Start a run", "/invite": "Invite", "/commands": "Commands"}
HOUR = 3600.0


@dataclass
class Console:
    """The pages of a coordinator's folder.

    Args:
        look: reads the federation.
        again: is called after something was changed.
    """

    folder: Folder
    look: Callable[[], Federation]
    again: Callable[[], None] = lambda: None
    jobs: Jobs = field(default_factory=Jobs)
    _dry: dict[int, tuple[Path, bool]] = field(default_factory=dict)
    _drafts: dict[int, str] = field(default_factory=dict)

    @property
    def _commands(self) -> CommandPages:
        return CommandPages(self.jobs, self._page, self._below)

    def application(self) -> Starlette:
        gets = {
            "/": self._now,
            "/runs": self._runs,
            "/report/{name}": lambda request: report_of(self.folder, request.path_params["name"]),
            "/start": self._plan,
            "/invite": self._invitations,
        }
        posts = {
            "/invite": self._invite,
            "/confirm": self._confirm,
            "/draft": self._draft,
            "/dry-run": self._dry_run,
            "/start": self._start,
            "/stop": self._stop,
            "/resume": self._resume,
        }
        return application({**gets, **self._commands.gets()}, posts, self.parts, lambda: metrics(self.look()))

    def parts(self, token: str) -> Mapping[str, str]:
        """The live parts, by name."""
        found = self.look()
        shown = {
            "status": status_line(found),
            "hospitals": hospital_rows(found),
            "run": run_part(found.run, token),
            "runs": past_part(found, token),
        }
        return {**shown, **self._commands.parts(token)}

    def _now(self, request: Request) -> Response:
        parts = self.parts(token_of(request))
        return self._page(request, "/", [live(name, Html(parts[name])) for name in ("status", "run", "hospitals")])

    def _runs(self, request: Request) -> Response:
        return self._page(request, "/runs", [live("runs", past_part(self.look(), token_of(request)))])

    def _page(self, request: Request, path: str, parts: list[Content], told: Told | None = None) -> Response:
        return page(Frame("FedGraft coordinator", LINKS), path, token_of(request), parts, told)

    def _invitations(self, request: Request, told: Told | None = None) -> Response:
        token = token_of(request)
        asked = form(
            "/invite",
            token,
            text_field("name", "Hospital", hint="letters, digits, - and _", required="required", maxlength="64"),
            text_field("hours", "Holds for", hint="hours", type="number", min="1", max="720", value="24"),
            text_field("cases", "Training cases", hint="as confirmed with it; empty: any", type="number", min="1"),
            tick("confirm", "register its key only after I have compared the fingerprint by telephone"),
            tag("p", button("Make an invitation")),
        )
        return self._page(
            request, "/invite", [section("Invite a hospital", asked), invitations(self.look(), token)], told
        )

    def _invite(self, request: Request) -> Response:
        given = form_of(request)
        try:
            hours, cases = _number(given, "hours") or 24, _number(given, "cases")
            (made,) = invite(
                self.folder,
                [given.get("name", "").strip()],
                hours * HOUR,
                time.time(),
                cases=cases,
                confirm="confirm" in given,
            )
        except FedGraftError as error:
            return self._invitations(request, Told(str(error), wrong=True))
        self.again()
        said = together(
            [
                paragraph("Give this line to the hospital. It is shown once, and works once:"),
                tag("code", str(made), class_="line-to-copy"),
                paragraph("There: ", tag("code", "fedgraft site join LINE --manifest FILE")),
            ]
        )
        return self._invitations(request, Told(said))

    def _confirm(self, request: Request) -> Response:
        try:
            site = confirm(self.folder, form_of(request).get("name", ""))
        except FedGraftError as error:
            return self._invitations(request, Told(str(error), wrong=True))
        self.again()
        return self._invitations(request, Told(f"{site.name} is registered"))

    def _plan(self, request: Request, told: Told | None = None) -> Response:
        """The page on which a run is started, with the plan that was opened, or was tried before."""
        asked = request.query_params
        tried = self._dry.get(int(asked["tried"])) if asked.get("tried", "").isdecimal() else None
        found = plans(self.folder).get(asked.get("plan", "")) if tried is None else tried[0]
        text = "" if found is None else text_of(found)
        return self._page(request, "/start", [start_form(self.folder, token_of(request), text)], told)

    def _draft(self, request: Request) -> Response:
        name = draft_name(time.time())
        out = private_folder(self.folder.root / PLANS) / name
        job = self.jobs.start("Draft", "coordinator", "draft", str(self.folder.root), "--out", str(out))
        self._drafts[job.number] = name
        return see(job)

    def _dry_run(self, request: Request) -> Response:
        given = form_of(request)
        try:
            plan = pasted(self.folder, given.get("text", ""))
        except DeploymentError as error:
            return self._plan(request, Told(str(error), wrong=True))
        anyway = "anyway" in given
        job = self._run("Dry run", "--plan", str(plan), "--dry-run", *(["--anyway"] if anyway else []))
        self._dry[job.number] = plan, anyway
        return see(job)

    def _start(self, request: Request) -> Response:
        number = form_of(request).get("job", "")
        job = self.jobs.find(int(number)) if number.isdecimal() else None
        dry = None if job is None else self._dry.get(job.number)
        if job is None or dry is None or job.code != 0:
            return self._plan(request, Told("a run begins after a dry run that was good", wrong=True))
        plan, anyway = dry
        return see(self._run("Start", "--plan", str(plan), "--detach", *(["--anyway"] if anyway else [])))

    def _stop(self, request: Request) -> Response:
        out = folder_of(self.folder, form_of(request).get("run", ""))
        run = None if out is None else of_folder(self.folder, out)
        if run is None:
            return PlainTextResponse("there is no such run that goes on\n", 404)
        return see(self.jobs.start(f"Stop {run.folder.name}", "coordinator", "stop", str(self.folder.root), run.run_id))

    def _resume(self, request: Request) -> Response:
        out = folder_of(self.folder, form_of(request).get("run", ""))
        if out is None:
            return PlainTextResponse("there is no such run\n", 404)
        return see(self._run(f"Go on with {out.name}", "--resume", str(out), "--detach"))

    def _run(self, title: str, *options: str) -> Job:
        return self.jobs.start(title, "coordinator", "run", str(self.folder.root), *options)

    def _below(self, job: Job, token: str) -> Content:
        if job.number in self._drafts:
            return draft_link(job, self._drafts[job.number])
        return go_form(job, token) if job.number in self._dry else None


def _number(form_: Mapping[str, str], name: str) -> int | None:
    """
    Raises:
        DeploymentError: it is none.
    """
    text = form_.get(name, "").strip()
    if not text:
        return None
    if not text.isdecimal():
        raise DeploymentError(f"{name}: {text!r} is no number")
    return int(text)
