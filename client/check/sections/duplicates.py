"""Find images that a cohort holds more than once: the same pixels under two patients, two labels, or in two splits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from fedgraft.client.check.cases import CaseTable
from fedgraft.client.check.formatting import count_of, lines_of
from fedgraft.client.check.report import Finding
from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.duplicates import equal_cases
from fedgraft.client.cohort.quarantine import USABLE
from fedgraft.client.images.facts import Facts

MOST_NAMES = 6
PIXELS = ("the same pixels", "image")
"""What duplicates have in common, and the word for one."""
Name = Callable[[Case], str]


def duplicates(case_table: CaseTable, facts: Facts, name: Name) -> tuple[Finding, ...]:
    """Compare pixel digests of the usable images.

    Args:
        facts: facts of every case of the case table.
        name: gives a case's pseudonym.
    """
    fine = np.flatnonzero(facts["reason"] == USABLE)
    usable = case_table.some(fine.tolist())
    sets = equal_cases(usable.cases, [digest.tobytes() for digest in facts["digest"][fine]])
    found = tuple(suspicious(usable, sets, name, PIXELS))
    if found:
        return found
    within = sum(len(places) - 1 for places in sets)
    if within:
        text = f"{count_of(within, 'image')} twice or more, each time of one patient, with one label, in one split"
        return (Finding("ok", "duplicates", text),)
    return (Finding("ok", "duplicates", "no two images have the same pixels"),)


def suspicious(
    case_table: CaseTable, sets: Sequence[Sequence[int]], name: Name, words: tuple[str, str]
) -> Iterator[Finding]:
    """Findings on duplicates in more than one split, of different patients, or with different labels.

    Args:
        sets: places of cases that are duplicates of each other.
        words: what they have in common, and the word for one.
    """
    (same, one), splits = words, case_table.splits
    crossing = [s for s in sets if splits is not None and len({splits[at] for at in s}) > 1]
    if crossing:
        yield Finding(
            "problem",
            "duplicates",
            f"{same} in more than one split, {_where(case_table, crossing, name, one)}: figures would be too good",
            f"give all cases of one such {one} the same `group`, or keep one of them",
        )
    patients = [s for s in sets if len({case_table.cases[at].patient for at in s}) > 1]
    if patients:
        yield Finding(
            "warning",
            "duplicates",
            f"{same} under different patients, {_where(case_table, patients, name, one)}",
            f"find out whose {one} it is; if in doubt give them one `group`, or leave both out",
        )
    labels = [s for s in sets if len({_target(case_table, at) for at in s}) > 1]
    if labels:
        yield Finding(
            "warning",
            "duplicates",
            f"{same} with different labels, {_where(case_table, labels, name, one)}",
            "correct the labels, or leave both out",
        )


def _target(case_table: CaseTable, at: int) -> tuple[str, tuple[bool | None, ...]]:
    return case_table.cases[at].label, tuple(outcome.of[at] for outcome in case_table.outcomes)


def _where(case_table: CaseTable, sets: Sequence[Sequence[int]], name: Name, one: str) -> str:
    """``2 images: case-1 = case-2; ...; lines ... of the manifest``."""
    pairs = [" = ".join(name(case_table.cases[at]) for at in places[:MOST_NAMES]) for places in sets[:MOST_NAMES]]
    more = "; ..." if len(sets) > MOST_NAMES or any(len(places) > MOST_NAMES for places in sets) else ""
    lines = lines_of([case_table.lines[at] for places in sets for at in places])
    return f"{count_of(len(sets), one)} ({'; '.join(pairs)}{more}; {lines} of the manifest)"
