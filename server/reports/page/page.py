"""``report.html``: put together from its sections, and written."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.drawing.document import document
from fedgraft.common.drawing.markup import Html, paragraph, tag
from fedgraft.common.runtime.files import replacing
from fedgraft.server.reports.page.course import cost, rounds, taking_part
from fedgraft.server.reports.page.curves import probabilities, telling_apart
from fedgraft.server.reports.page.decisions import decisions, sets
from fedgraft.server.reports.page.folder import RunFolder
from fedgraft.server.reports.page.privacy_audit import privacy_audit
from fedgraft.server.reports.page.sites import hospitals
from fedgraft.server.reports.page.study import read_study, study_page
from fedgraft.server.reports.page.subgroups import subgroups
from fedgraft.server.reports.page.switched_on import switched_on
from fedgraft.server.reports.page.unfamiliar import far_apart, unfamiliar
from fedgraft.server.reports.page.updates import updates
from fedgraft.server.reports.page.verdict import model, verdict
from fedgraft.server.reports.page.warnings import warnings

NAME = "report.html"
_LINKS = {
    "hospitals": "Hospitals",
    "telling-cases-apart": "Telling cases apart",
    "probabilities": "Probabilities",
    "decisions": "Decisions",
    "sets-of-answers": "Sets of answers",
    "unlike-the-training-cases": "Unlike the training cases",
    "subgroups": "Subgroups",
    "rounds": "Rounds",
    "who-took-part": "Who took part",
    "what-was-switched-on": "The plan",
}


def write_run_report(folder: Path, run: RunFolder) -> Path:
    """Write ``report.html`` about a run into its folder."""
    return _written(folder, run_report(run))


def write_study_report(folder: Path) -> Path:
    """Write ``report.html`` about a study into its folder.

    Raises:
        FedGraftError: ``study.json`` can't be read.
    """
    return _written(folder, document(f"Study {folder.resolve().name}", study_page(read_study(folder))))


def _written(folder: Path, text: Html) -> Path:
    with replacing(folder / NAME) as partial:
        partial.write_text(text, encoding="utf-8")
    return folder / NAME


def run_report(run: RunFolder) -> Html:
    """The page about a run."""
    parts = (
        verdict(run),
        model(run),
        warnings(run),
        tag("nav", *(tag("a", text, href=f"#{name}") for name, text in _LINKS.items()), aria_label="sections"),
        hospitals(run),
        telling_apart(run),
        probabilities(run),
        decisions(run),
        sets(run),
        unfamiliar(run),
        far_apart(run),
        subgroups(run),
        privacy_audit(run),
        rounds(run),
        taking_part(run),
        updates(run),
        cost(run),
        switched_on(run),
        paragraph("This is research software, not a medical device.", class_="soft"),
    )
    return document(f"Run {run.name}", parts)
