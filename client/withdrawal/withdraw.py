"""Take patients out of a site's cohort, and remove what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from fedgraft.client.account.book import FILE, Book
from fedgraft.client.account.secret import secret_of
from fedgraft.client.audit.heads import chain_of
from fedgraft.client.cohort.enrolment.withdrawn import (
    LOG,
    READMITTED,
    WITHDRAWN,
    mark_of,
    nobody_takes_cases_in,
    withdrawn_marks,
)
from fedgraft.client.cohort.manifest.own_words import listed_cases
from fedgraft.client.site.site_file import SiteFile
from fedgraft.client.withdrawal.kept import Removed, remove_kept
from fedgraft.common.errors import DataError


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal did.

    Attributes:
        patients: how many are withdrawn now by it, or were before.
        before: how many of them had been withdrawn before.
        lines: of the manifest that still name one of them; they are left out from now on.
        runs: the ids of all runs in which one of them took part.
        removed: what was kept of cases.
    """

    patients: int
    before: int
    lines: int
    runs: tuple[str, ...]
    removed: Removed


def withdraw(site: SiteFile, patients: Sequence[str], by: str, unknown: bool = False) -> Withdrawal:
    """Withdraw patients: they are in the log, left out of everything from now on, and nothing of theirs is kept.

    Waits until no process takes cases in. A message that is answered at the moment ends with the cohort that it began
    with.

    Args:
        patients: as the manifest names them.
        by: who does this, for the log.
        unknown: also those that no line of the manifest names now.

    Raises:
        DataError: no patient is given, one is not in the manifest (by its place among those given, not by its name), or
            a log was changed.
    """
    given = [one for one in dict.fromkeys(patients) if one]
    if not given:
        raise DataError("no patient was given; nothing was changed")
    with nobody_takes_cases_in(site.state):
        listed = listed_cases(site)
        there = {case.patient for case in listed}
        strange = [place for place, one in enumerate(patients, 1) if one and one not in there]
        if strange and not unknown:
            raise DataError(
                f"{len(strange)} of {len(given)} patients are in no line of the manifest (of those given, number "
                f"{', '.join(map(str, strange[:20]))}{', ...' if len(strange) > 20 else ''}); nothing was changed. "
                "--unknown withdraws them all the same: they are left out if they ever come"
            )
        marks = {one: mark_of(site.state, one) for one in given}
        out, runs = withdrawn_marks(site.state), _runs_by_mark(site)
        new = [mark for mark in marks.values() if mark not in out]
        _write(site, WITHDRAWN, by, {mark: runs.get(mark, []) for mark in new})
        removed = remove_kept(site)
    lines = sum(case.patient in marks for case in listed)
    used = sorted({run for mark in marks.values() for run in runs.get(mark, [])})
    return Withdrawal(len(marks), len(marks) - len(new), lines, tuple(used), removed)


def readmit(site: SiteFile, patients: Sequence[str], by: str) -> int:
    """Undo a withdrawal that was an error; returns how many patients take part again from now on.

    Raises:
        DataError: one of them is not withdrawn, or the log was changed.
    """
    with nobody_takes_cases_in(site.state):
        marks = [mark_of(site.state, one) for one in dict.fromkeys(patients) if one]
        out = withdrawn_marks(site.state)
        if not marks or any(mark not in out for mark in marks):
            raise DataError("a patient that was given is not withdrawn at this site; nothing was changed")
        _write(site, READMITTED, by, {mark: [] for mark in marks})
    return len(marks)


def _write(site: SiteFile, what: str, by: str, runs: dict[str, list[str]]) -> None:
    """One line for all of them: how many lines there are is told to the coordinator, how many patients is not."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    if runs:
        chain_of(site.state, LOG).append({"time": stamp, "what": what, "by": by, "patients": runs})


def _runs_by_mark(site: SiteFile) -> dict[str, list[str]]:
    """The runs in which each patient took part, by the mark (hex), as the site's account knows."""
    if not (site.state / FILE).is_file():
        return {}
    book = Book(site.state / FILE, secret_of(site.state))
    try:
        return {mark.hex(): runs for mark, runs in book.runs_of_patients().items()}
    finally:
        book.close()
