"""Subgroups that a manifest names: sex, age in bands, and any other column with few values."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from fedgraft.client.cohort.case import Case

MOST_VALUES = 12
BANDS = ((0, "0-17"), (18, "18-39"), (40, "40-59"), (60, "60-79"), (80, "80 and over"))
UNKNOWN, RARE = "unknown", "other"
_AGE = re.compile(r"(patient|donor)?[ _-]?age([ _-]?(in[ _-]?)?(years?|yrs))?", re.IGNORECASE)
_YEARS = re.compile(r"0*(\d{1,3})(\.\d+)?[Yy]?")
_MONTHS_WEEKS_DAYS = re.compile(r"\d{3}[MWD]")


@dataclass(frozen=True)
class Subgroup:
    """``of[i]`` is case i's value of ``column``."""

    column: str
    of: tuple[str, ...]


def subgroups(cases: Sequence[Case], least: int, without: Collection[str] = ()) -> list[Subgroup]:
    """The manifest's columns with 2 to 12 values, and its ages in bands.

    Args:
        least: fewest patients for which a value is named; a rarer one could be a person's name and becomes ``other``.
        without: columns of outcomes.
    """
    names = dict.fromkeys(name for case in cases for name, _ in case.columns if name not in without)
    found = []
    for name in names:
        cells = [(case.column(name) or "").strip() for case in cases]
        values = [band(cell) for cell in cells] if _AGE.fullmatch(name.strip()) else cells
        if 2 <= len({value for value in values if value}) <= MOST_VALUES:
            named = tuple(_pooled(values, cases, least))
            if len(set(named)) > 1 and not {UNKNOWN, RARE}.issuperset(named):
                found.append(Subgroup(name, named))
    return found


def band(cell: str) -> str:
    """The band of an age in years (``47``, ``47.5``) or in DICOM's AS (``047Y``, ``009M``); ``""`` if it is no age."""
    if _MONTHS_WEEKS_DAYS.fullmatch(cell):
        return BANDS[0][1]  # PS3.5 6.2 allows up to 999 months, but nobody gives an adult's age in months
    years = _YEARS.fullmatch(cell)
    if years is None or int(years[1]) > 130:
        return ""
    return next(name for start, name in reversed(BANDS) if int(years[1]) >= start)


def _pooled(values: Sequence[str], cases: Sequence[Case], least: int) -> list[str]:
    patients = Counter(value for value, _ in {(value, case.patient) for value, case in zip(values, cases, strict=True)})
    return [UNKNOWN if not value else value if patients[value] >= least else RARE for value in values]
