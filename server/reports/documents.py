"""The files for people that are made from a run's folder, whenever one asks for them."""

from __future__ import annotations

from pathlib import Path

from fedgraft.common.errors import FedGraftError
from fedgraft.server.reports.card.card import write_card
from fedgraft.server.reports.page.folder import read_run
from fedgraft.server.reports.page.page import write_run_report, write_study_report
from fedgraft.server.reports.rounds_table import write_tables


def write_documents(folder: Path) -> tuple[Path, ...]:
    """Write ``report.html`` into the folder of a run or a study, and of a run ``model-card.md``, ``model-card.json``,
    ``rounds.csv`` and ``rounds_sites.csv``; returns the files.

    Raises:
        FedGraftError: the folder is of neither, or can't be written.
    """
    try:
        if (folder / "study.json").is_file():
            return (write_study_report(folder),)
        if (folder / "summary.json").is_file():
            run = read_run(folder)
            return (write_run_report(folder, run), *write_card(folder, run), *write_tables(folder, run.rounds))
    except OSError as error:
        raise FedGraftError(
            f"{error.filename2 or error.filename or folder} can't be written ({error.strerror})"
        ) from error
    what = "holds neither summary.json nor study.json" if folder.is_dir() else "is no folder"
    raise FedGraftError(f"{folder} {what}; name the folder of a run or a study that has ended")
