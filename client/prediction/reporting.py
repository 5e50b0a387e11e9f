"""From predictions to a DICOM Structured Report of each case (``fedgraft predict --sr``)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.images.expansion import may_be_dicom
from fedgraft.client.prediction.loading import LoadedModel
from fedgraft.client.prediction.new_cases import NewCases
from fedgraft.client.prediction.predicting import Predictions
from fedgraft.client.site.limits import Rules
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import private_folder

if TYPE_CHECKING:
    from fedgraft.client.structured_report.content import Author, Findings


def require_dicom(loaded: LoadedModel, cases: NewCases) -> None:
    """Check, before anything is predicted, that a report can be made of every line of the manifest.

    Raises:
        DataError: highdicom is not installed, or a line names no DICOM file.
    """
    if loaded.model.facts.rows:
        raise DataError(
            f"--sr: a DICOM report refers to DICOM images, and a case of this model is {loaded.model.facts.a}"
        )
    if importlib.util.find_spec("highdicom") is None:
        raise DataError("--sr needs highdicom: pip install 'fedgraft[dicom-sr]', or leave out --sr")
    limits, bad = _rules(loaded).limits, []
    for case in cases.listed:
        if Path(case.path).is_dir():
            continue
        try:
            if not may_be_dicom(case.path):
                raise CaseError("not-dicom")
            from fedgraft.client.images.dicom.header import header_of

            with header_of(Path(case.path), limits):
                pass
        except CaseError as error:
            if error.reason == "not-dicom":
                bad.append(str(case.group))
    if bad:
        more = f" and {len(bad) - 5} more" if len(bad) > 5 else ""
        raise DataError(
            f"--sr: a DICOM report refers to DICOM images; no DICOM file: line {', '.join(bad[:5])}{more} of the "
            "manifest; leave these lines out, or --sr"
        )


@dataclass(frozen=True)
class Reports:
    """How many reports were ``written``, and for each reason the lines without one."""

    written: int
    refused: tuple[str, ...]


def report(loaded: LoadedModel, found: Predictions, folder: Path) -> Reports:
    """Write a report of each case that could be used, named by its line (and row, where a line gave several)."""
    from fedgraft.client.images.dicom.read import sources
    from fedgraft.client.structured_report.write import write_report

    private_folder(folder)
    cases, author, dicom, limits = found.usable, _author(loaded), loaded.plan.dicom, _rules(loaded).limits
    refused: dict[str, list[str]] = {}
    for case, findings in zip(cases, _findings(found), strict=True):
        try:
            read = sources(Path(case.path), dicom, limits, case.row)
            write_report(findings, author, read, folder / f"{found.file_name(case)}.dcm")
        except (CaseError, DataError) as error:
            refused.setdefault(str(error), []).append(str(case.group))
    said = tuple(f"{_named(lines)}: {why}" for why, lines in refused.items())
    return Reports(len(cases) - sum(map(len, refused.values())), said)


def _named(lines: Sequence[str]) -> str:
    if len(lines) == 1:
        return f"line {lines[0]}"
    return f"{len(lines)} lines ({', '.join(lines[:_SHOWN])}{', ...' if len(lines) > _SHOWN else ''})"


_SHOWN = 10


def _rules(loaded: LoadedModel) -> Rules:
    return Rules() if loaded.site is None else loaded.site.rules


def _author(loaded: LoadedModel) -> Author:
    from fedgraft.client.structured_report.content import Author

    about, calibration = loaded.folder.about, loaded.calibration
    parameters = (
        f"FedGraft {about.fedgraft}",
        f"backbone {about.backbone}",
        f"plan {about.plan_digest}",
        f"calibration {'none' if calibration is None else calibration.method}",
        f"a part of this site's own: {'yes' if loaded.has_own_part else 'no'}",
    )
    return Author(f"FedGraft model {loaded.folder.path.name}", about.shared_digest, parameters)


def _findings(found: Predictions) -> Iterator[Findings]:
    """Of each usable case."""
    from fedgraft.client.structured_report.content import Findings

    known, several = found.task.has_probabilities, len({answer.question for answer in found.task.answers}) > 1
    chosen = (found.raw if found.calibrated is None else found.calibrated) if known else found.outputs
    for place, values in enumerate(chosen.tolist()):
        decided = found.decided
        yield Findings(
            probabilities=dict(zip(found.task.classes, values, strict=True)) if known else {},
            calibrated=found.calibrated is not None,
            log_hazard=None if known else values[0],
            predicted=() if decided is None else _answers(decided.predicted[place], several),
            answers=() if decided is None else _answers(decided.sets[place], several),
            why=None if decided is None else decided.why[place],
        )


def _answers(cell: str, several: bool) -> tuple[str, ...]:
    """The answers that `fedgraft.common.decisions.flags.named` wrote: of one question, or of each of ``several``."""
    return tuple(cell.split("; " if several else "|")) if cell else ()
