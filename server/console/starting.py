"""Start a run from a plan: its dry run first, and then, if that was good, the run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.web.frame import button, choice, form, hidden, text_area, tick
from fedgraft.common.web.jobs import Job
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.open_runs import PLAN

PASTED = "console"
"""The folder, in the coordinator's, of plans that were pasted into the page."""


def plans(folder: Folder) -> dict[str, Path]:
    """The plans to choose from: those in ``plans/`` of the coordinator's folder, and those of its runs."""
    return dict(_plans(folder))


def _plans(folder: Folder) -> Iterator[tuple[str, Path]]:
    own = folder.root / "plans"
    for path in sorted(own.iterdir()) if own.is_dir() else ():
        if path.suffix in (".yaml", ".json"):
            yield path.name, path
    for out in sorted(folder.runs.iterdir(), reverse=True) if folder.runs.is_dir() else ():
        if (out / PLAN).is_file():
            yield f"as in run {out.name}", out / PLAN


def chosen(folder: Folder, form_: dict[str, str]) -> Path:
    """The file of the plan that a form names, or holds.

    Raises:
        DeploymentError: it does neither.
    """
    text = form_.get("text", "").strip()
    if text:
        content = (text.replace("\r\n", "\n") + "\n").encode()
        suffix = ".json" if text.startswith("{") else ".yaml"
        kept = private_folder(folder.root / PASTED) / f"plan-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
        with replacing(kept, private=True) as partial:
            partial.write_bytes(content)
        return kept
    found = plans(folder).get(form_.get("plan", ""))
    if found is None:
        raise DeploymentError("choose a plan, or paste one")
    return found


def start_form(folder: Folder, token: str) -> Html:
    """The page's form."""
    known = plans(folder)
    listed = choice("plan", "A plan", {"": "choose one", **{name: name for name in known}}) if known else None
    return section(
        "Start a run",
        paragraph(
            "First the dry run: whether the plan is valid, and which hospitals it would run on. Nothing is sent to "
            "them. Plans are listed from the folder ",
            tag("code", "plans"),
            " of the coordinator's folder, and from its runs.",
        ),
        form(
            "/dry-run",
            token,
            listed,
            text_area("text", "or paste one" if known else "Paste a plan", hint="(YAML or JSON)"),
            tick("anyway", "leave out hospitals that it does not fit"),
            tag("p", button("Dry run")),
        ),
    )


def go_form(job: Job, token: str) -> Content:
    """What may be done once a dry run has ended."""
    if job.code is None:
        return None
    if job.code != 0:
        return paragraph("It can't be started like this. ", tag("a", "Change the plan", href="/start"), ".")
    return form("/start", token, hidden("job", str(job.number)), button("Start this run", id_="go"))
