"""Start a run from a plan: its dry run first, and then, if that was good, the run."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from fedgraft.common.drawing.markup import Content, Html, paragraph, section, tag
from fedgraft.common.errors import DeploymentError
from fedgraft.common.runtime.files import private_folder, replacing
from fedgraft.common.web.frame import button, choice, form, hidden, text_area, tick
from fedgraft.common.web.jobs import Job
from fedgraft.server.deployment.folder import Folder
from fedgraft.server.deployment.open_runs import PLAN

PASTED, PLANS = "console", "plans"
"""Folders in the coordinator's: of plans that were pasted into the page, and of those to choose from."""


def plans(folder: Folder) -> dict[str, Path]:
    """The plans to choose from: those in ``plans/`` of the coordinator's folder, and those of its runs."""
    return dict(_plans(folder))


def _plans(folder: Folder) -> Iterator[tuple[str, Path]]:
    own = folder.root / PLANS
    for path in sorted(own.iterdir()) if own.is_dir() else ():
        if path.suffix in (".yaml", ".json"):
            yield path.name, path
    for out in sorted(folder.runs.iterdir(), reverse=True) if folder.runs.is_dir() else ():
        if (out / PLAN).is_file():
            yield f"as in run {out.name}", out / PLAN


def text_of(path: Path) -> str:
    """A plan's file as a person reads it: YAML."""
    text = path.read_text(encoding="utf-8")
    return (
        text if path.suffix != ".json" else str(yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True))
    )


def pasted(folder: Folder, text: str) -> Path:
    """The file of a plan that a form holds.

    Raises:
        DeploymentError: it holds none.
    """
    if not text.strip():
        raise DeploymentError("open a plan, or paste one")
    content = (text.strip().replace("\r\n", "\n") + "\n").encode()
    suffix = ".json" if text.strip().startswith("{") else ".yaml"
    kept = private_folder(folder.root / PASTED) / f"plan-{hashlib.sha256(content).hexdigest()[:12]}{suffix}"
    with replacing(kept, private=True) as partial:
        partial.write_bytes(content)
    return kept


def start_form(folder: Folder, token: str, text: str = "") -> Html:
    """The page's forms.

    Args:
        text: of the plan that was opened.
    """
    known = plans(folder)
    listed = choice("plan", "A plan", {"": "choose one", **{name: name for name in known}})
    look = tag("form", listed, " ", button("Open it", "quiet"), method="get", action="/start")
    return section(
        "Start a run",
        paragraph(
            "First the dry run: whether the plan is valid, and which hospitals it would run on. Nothing is sent to "
            "them. Plans are listed from the folder ",
            tag("code", PLANS),
            " of the coordinator's folder, and from its runs.",
        ),
        look if known else None,
        form("/draft", token, button("Draft one for these hospitals", "quiet")),
        form(
            "/dry-run",
            token,
            text_area("text", "The plan", hint="(YAML or JSON)", text=text),
            tick("anyway", "leave out hospitals that it does not fit"),
            tag("p", button("Dry run")),
        ),
    )


def go_form(job: Job, token: str) -> Content:
    """What may be done once a dry run has ended."""
    if job.code is None:
        return None
    if job.code != 0:
        change = tag("a", "Change the plan", href=f"/start?tried={job.number}")
        return paragraph("It can't be started like this. ", change, ".")
    return form("/start", token, hidden("job", str(job.number)), button("Start this run", id_="go"))


def draft_name(now: float) -> str:
    """The file of a new draft in ``plans/``."""
    return time.strftime("draft-%Y%m%d-%H%M%S.yaml", time.gmtime(now))


def draft_link(job: Job, name: str) -> Content:
    """To a draft that was made."""
    return paragraph(tag("a", "Open it", href=f"/start?plan={name}")) if job.code == 0 else None
