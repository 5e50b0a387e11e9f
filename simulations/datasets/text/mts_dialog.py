"""MTS-Dialog: which section of a clinical note is a text? Nine headers of 59 texts or more, 1,537 in all (CC BY 4.0).

Ben Abacha, Yim, Fan & Lin, "An empirical study of clinical note generation from doctor-patient encounters", EACL 2023.
De-identified notes; short (a median of 14 words) and imbalanced. No hospitals: partition it.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import read_lines, write_table
from fedgraft.simulations.datasets.source import Source, find, places

FILE = "mts_dialog/mts_dialog.csv"
NEEDED = ("ID", "section_header", "text", "group")
LEAST = 59
"""Texts of a header, so that each of several hospitals has some; rarer headers are left out."""


def mts_dialog(*, root: Path | None, cache: Path) -> Source:
    """The texts of the frequent headers, as one table in ``cache``; texts that occur more than once are one group.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, to which the table is written.

    Raises:
        DataError: the file is not here or not as published.
    """
    file = find(FILE, root, cache)
    if file is None:
        raise DataError(
            f"MTS-Dialog is not here: {places(FILE, root, cache)}. FedGraft does not download it: it is the "
            "Main-Dataset of https://github.com/abachaa/MTS-Dialog, its four CSV files joined"
        )
    lines = [line for line in read_lines(file, NEEDED) if line["text"].strip()]
    counts = Counter(line["section_header"] for line in lines)
    lines = [line for line in lines if counts[line["section_header"]] >= LEAST]
    if not lines:
        raise DataError(f"{file} has no section header with {LEAST} texts; get the file again")
    path = write_table(cache / "mts_dialog", "notes", ("text",), lines)
    cases = [
        Case(str(path), line["section_header"], f"text-{line['ID']}-{row}", row=row, group=line["group"])
        for row, line in enumerate(lines)
    ]
    return Source(tuple(cases))
