"""Who has opted out: ``withdrawals.jsonl`` in the state folder, a chain of lines that name patients by keyed marks.

The manifest may still name them, as the hospital's next export may: they are left out wherever the cohort is read.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fedgraft.client.account.secret import secret_of
from fedgraft.client.audit.heads import chain_of
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.site.site_file import SiteFile
from fedgraft.common.runtime.files import private_folder

LOG, LOCK = "withdrawals", "cohort.lock"
WITHDRAWN, READMITTED, LEFT = "withdrawn", "readmitted", "left"


def mark_of(state: Path, patient: str) -> str:
    """By what the log names a patient: a mark (hex) that nobody can make or try out without the site's secret."""
    return secret_of(state).mark("patient", patient).hex()


def withdrawn_marks(state: Path) -> frozenset[str]:
    """The marks of all who are withdrawn now.

    Raises:
        DataError: the log was changed.
    """
    last = {mark: line["what"] for line in chain_of(state, LOG).read() for mark in line.get("patients", ())}
    return frozenset(mark for mark, what in last.items() if what == WITHDRAWN)


def without_withdrawn(listed: Sequence[Case], state: Path) -> tuple[Case, ...]:
    """The cases of those who are not withdrawn, in their order.

    Raises:
        DataError: the log was changed.
    """
    out = withdrawn_marks(state)
    if not out:
        return tuple(listed)
    gone = {patient for patient in {case.patient for case in listed} if mark_of(state, patient) in out}
    return tuple(case for case in listed if case.patient not in gone)


@contextmanager
def cohort_of(site: SiteFile) -> Iterator[tuple[Case, ...]]:
    """The manifest's cases of those who are not withdrawn; `nobody_is_withdrawn` within the block.

    Raises:
        DataError: the manifest can't be read, or the log of withdrawals was changed.
    """
    with nobody_is_withdrawn(site.state):
        yield without_withdrawn(listed_cases(site), site.state)


@contextmanager
def nobody_is_withdrawn(state: Path) -> Iterator[None]:
    """Around whatever takes cases in and keeps something of them: a withdrawal waits for its end, and then removes all
    that is kept."""
    with _locked(state, fcntl.LOCK_SH):
        yield


@contextmanager
def nobody_takes_cases_in(state: Path) -> Iterator[None]:
    """Around a withdrawal; waits for the end of all blocks of `nobody_is_withdrawn`, whose processes may be killed."""
    with _locked(state, fcntl.LOCK_EX):
        yield


@contextmanager
def _locked(state: Path, how: int) -> Iterator[None]:
    with (private_folder(state) / LOCK).open("a") as lock:
        fcntl.flock(lock, how)
        yield
