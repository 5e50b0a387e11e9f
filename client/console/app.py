"""The site's console as an application: what each page shows, and what each form does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from fedgraft.client.approval import deciding
from fedgraft.client.approval.decisions import Decisions
from fedgraft.client.console.kept import left_part, pages_part, privacy_part, status_part, withdraw_part, work_part
from fedgraft.client.console.metrics import metrics
from fedgraft.client.console.plans import asked_part, decided_part, decision_forms
from fedgraft.client.overview.overview import CHECK, REPORT, Overview
from fedgraft.client.site.site_file import SiteFile, read_site_file
from fedgraft.common.drawing.markup import Content, Html, together
from fedgraft.common.errors import FedGraftError, SiteFileError
from fedgraft.common.web.commands import CommandPages
from fedgraft.common.web.frame import Frame, Told, live, page
from fedgraft.common.web.jobs import Job, Jobs
from fedgraft.common.web.requests import form_of, kept_page, see, token_of
from fedgraft.common.web.site import application

LINKS = {
    "/": "Plans",
    "/left": "What left",
    "/site": "Check, disk, time",
    "/withdraw": "Withdraw",
    "/commands": "Commands",
}
PAGES = {"check": CHECK, "report": REPORT}


@dataclass
class Console:
    """The pages of a site.

    Args:
        file: the site's ``site.yaml``, which is read anew each time.
        look: reads what its folder tells.
    """

    file: Path
    look: Callable[[], Overview]
    jobs: Jobs = field(default_factory=Jobs)
    _reviews: dict[int, tuple[str, bool]] = field(default_factory=dict)

    @property
    def _site_file(self) -> SiteFile:
        return read_site_file(self.file)

    @property
    def _commands(self) -> CommandPages:
        return CommandPages(self.jobs, self._page, self._below)

    def application(self) -> Starlette:
        gets = {
            "/": self._plans,
            "/left": lambda request: self._page(request, "/left", [live("left", left_part(self.look()))]),
            "/site": self._site,
            "/pages/{name}": self._kept,
            "/withdraw": lambda request: self._page(request, "/withdraw", [withdraw_part(token_of(request))]),
        }
        posts = {
            "/review": self._review,
            "/approve": self._approve,
            "/refuse": lambda request: self._against(request, deciding.refuse),
            "/revoke": lambda request: self._against(request, deciding.revoke),
            "/check": lambda request: see(self._start("Check", "check")),
            "/report": lambda request: see(self._start("Report", "report")),
            "/privacy": lambda request: see(self._start("Privacy account", "privacy")),
            "/withdraw": self._withdraw,
        }
        return application({**gets, **self._commands.gets()}, posts, self.parts, lambda: metrics(self.look()))

    def parts(self, token: str) -> Mapping[str, str]:
        """The live parts, by name."""
        found = self.look()
        shown = {
            "status": status_part(found),
            "asked": asked_part(found, token),
            "decided": decided_part(found, token) or Html(""),
            "left": left_part(found),
            "work": work_part(found),
        }
        return {**shown, **self._commands.parts(token)}

    def _page(self, request: Request, path: str, parts: list[Content], told: Told | None = None) -> Response:
        return page(Frame(f"FedGraft at {self._site_file.name}", LINKS), path, token_of(request), parts, told)

    def _plans(self, request: Request, told: Told | None = None) -> Response:
        parts = self.parts(token_of(request))
        shown: list[Content] = [live(name, Html(parts[name])) for name in ("status", "asked", "decided")]
        return self._page(request, "/", shown, told)

    def _site(self, request: Request) -> Response:
        found, token = self.look(), token_of(request)
        parts = [pages_part(found, token), privacy_part(token), live("work", work_part(found))]
        return self._page(request, "/site", [together(parts)])

    def _kept(self, request: Request) -> Response:
        name = PAGES.get(request.path_params["name"])
        return kept_page(None if name is None else self._site_file.state / name)

    def _review(self, request: Request) -> Response:
        try:
            decisions = Decisions(self._site_file)
            digest, _ = decisions.came(form_of(request).get("plan", ""), beyond=True)
        except FedGraftError as error:
            return self._plans(request, Told(str(error), wrong=True))
        checks = "check" in form_of(request)
        job = self._start(f"Plan {digest[:16]}", "review", digest, *([] if checks else ["--no-check"]))
        if digest not in decisions.beyond():  # about those nobody is to decide
            self._reviews[job.number] = digest, checks
        return see(job)

    def _approve(self, request: Request) -> Response:
        given = form_of(request)
        purposes = tuple(text for text in [given.get("purpose", "").strip()] if text)

        def decide(decisions: Decisions, plan: str, by: str) -> str:
            return deciding.approve(decisions, plan, by, purposes, _day(given.get("until", "")))

        return self._decided(request, decide)

    def _against(self, request: Request, decide: Callable[[Decisions, str, str, str], str]) -> Response:
        why = form_of(request).get("why", "").strip()
        return self._decided(request, lambda decisions, plan, by: decide(decisions, plan, by, why))

    def _decided(self, request: Request, decide: Callable[[Decisions, str, str], str]) -> Response:
        given = form_of(request)
        try:
            told = Told(decide(Decisions(self._site_file), given.get("plan", ""), given.get("by", "").strip()))
        except FedGraftError as error:
            told = Told(str(error), wrong=True)
        return self._plans(request, told)

    def _withdraw(self, request: Request) -> Response:
        given = form_of(request)
        patients, by = given.get("patients", "").splitlines(), given.get("by", "").strip()
        named = [name.strip() for name in patients if name.strip()]
        if not named or not by:
            told = Told("name the patients, one a line, and who does this", wrong=True)
            return self._page(request, "/withdraw", [withdraw_part(token_of(request))], told)
        more = ["--unknown"] if "unknown" in given else []
        typed = "".join(f"{name}\n" for name in named)
        return see(self._start("Withdraw patients", "withdraw", f"--by={by}", *more, typed=typed))

    def _start(self, title: str, name: str, *options: str, typed: str = "") -> Job:
        return self.jobs.start(title, "site", name, *options, "--site", str(self.file), typed=typed)

    def _below(self, job: Job, token: str) -> Content:
        read = self._reviews.get(job.number)
        return None if read is None or job.code is None else decision_forms(*read, token)


def _day(text: str) -> date | None:
    """
    Raises:
        SiteFileError: it is no day.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SiteFileError(f"{text!r} is no day; write YYYY-MM-DD") from None
