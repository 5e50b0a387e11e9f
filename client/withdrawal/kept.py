"""What a site keeps of single cases, and its removal.

Rows (facts, pixels, features) are kept under digests of contents and plans, so that which rows are a patient's can be
told for sure only as long as every file and every plan of the past is there. All rows are removed therefore, of all
patients: those who stay are computed again by the next run, and no row can be forgotten.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.site.site_file import SiteFile

ROWS = "kept"
"""In the site's store: facts, pixels and features of all cases."""
LISTS = ("predictions.csv", "quarantine.jsonl", "remarks.json", "check.html", "report.html")
"""In the state folder: a line or a thumbnail for single cases, or what a few may show."""
BY_RUN = ("recall", "asked/*.safetensors", "answers/*.safetensors")
"""In the state folder: which rows a run needs, what groups of patients gave to what was sent, and the last answer,
which would be given again if a round is begun again."""


@dataclass(frozen=True)
class Removed:
    """How many files were removed, and how many bytes they had."""

    files: int
    bytes: int


def kept_of_cases(site: SiteFile) -> list[Path]:
    """Every file that holds something of single cases, names or rows."""
    found = [site.state / name for name in LISTS]
    for pattern in BY_RUN:
        found += [*site.state.glob(pattern)]
    found.append(site.shared_store / ROWS)
    return [file for path in found for file in ([*path.rglob("*")] if path.is_dir() else [path]) if file.is_file()]


def remove_kept(site: SiteFile) -> Removed:
    """Remove what is kept of single cases; a row that is written to a file at the same moment may stay, so that nobody
    may take cases in meanwhile (`fedgraft.client.cohort.enrolment.withdrawn.nobody_takes_cases_in`)."""
    files = kept_of_cases(site)
    size = sum(file.stat().st_size for file in files)
    for file in files:
        file.unlink()
    shutil.rmtree(site.shared_store / ROWS, ignore_errors=True)
    return Removed(len(files), size)
