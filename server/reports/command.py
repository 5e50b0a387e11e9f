"""``fedgraft report``: make the page about a run or a study again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fedgraft.common.runtime.processes import say
from fedgraft.server.reports.documents import write_documents


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report, and of a run its card and tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="fedgraft report",
        description="Write report.html from the files of a run's or a study's folder; of a run also model-card.md, "
        "model-card.json and rounds.csv.",
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the folder of a run or a study that has ended")
    for file in write_documents(parser.parse_args(argv).folder):
        say(f"wrote {file}")
    return 0
