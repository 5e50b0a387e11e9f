"""Pathology reports of The Cancer Genome Atlas: have lymph nodes a metastasis? 826 reports, six organ centres.

The Cancer Genome Atlas, open access; reports as prepared by Kefeli et al. (tatonetti-lab, "Generalizable and automated
classification of TNM stage from pathology reports with external validation", Nature Communications 2024). Strings that
state T, N or M were taken out by pattern; what nodes a report counts is its evidence. Text read by OCR, long: a median
of 423 words.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import Line, read_lines, write_table
from fedgraft.simulations.datasets.source import Source, find, places

FILE = "tcga_path/tcga_path_masked.csv"
NEEDED = ("patient", "tss", "group", "node_positive", "centre", "cancer_type", "text")
CLASSES = {"0": "node_negative", "1": "node_positive"}


def tcga_path(
    *,
    root: Path | None,
    cache: Path,
    sites: Literal["centres", "tss"] = "centres",
    least: int = 10,
    whole_tss: bool = True,
) -> Source:
    """The reports whose node status is known, as tables in ``cache``.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, to which the tables are written.
        sites: ``centres`` = six, by organ; ``tss`` = TCGA's tissue source sites with ``least`` reports or more.
        least: reports of a tissue source site; smaller ones are left out with ``sites=tss``.
        whole_tss: whether all reports of a tissue source site are on the same side of a split: tests are then of
            hospitals that nobody trained on. Only with ``sites=centres``.

    Raises:
        DataError: the file is not here or not as published.
    """
    lines = [line for line in read_lines(_found(root, cache), NEEDED) if line["node_positive"] in CLASSES]
    if not lines:
        raise DataError(f"{FILE} has no report whose node_positive is 0 or 1; get the file again")
    lines = _once(lines)
    counts = Counter(line["tss"] for line in lines)
    if sites == "tss":
        lines = [line for line in lines if counts[line["tss"]] >= least]
        if not lines:
            raise DataError(
                f"data.least={least}: no tissue source site has so many reports; use at most {max(counts.values())}"
            )
    owner = [f"tss-{line['tss']}" if sites == "tss" else line["centre"] for line in lines]
    whole = whole_tss and sites == "centres"
    cases: list[Case] = []
    for site in sorted(set(owner)):
        own = [line for line, name in zip(lines, owner, strict=True) if name == site]
        path = write_table(cache / "tcga_path", site, ("text",), own)
        cases += [_case(line, path, row, whole) for row, line in enumerate(own)]
    return Source(cases=tuple(cases), site_of=tuple(sorted(owner)))


def _found(root: Path | None, cache: Path) -> Path:
    file = find(FILE, root, cache)
    if file is None:
        raise DataError(
            f"The pathology reports are not here: {places(FILE, root, cache)}. FedGraft does not download them: they "
            "were made of TCGA's reports by https://github.com/tatonetti-lab/tnm-stage-classifier"
        )
    return file


def _once(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """Of reports with the same text (``group``) the first."""
    first: dict[str, dict[str, str]] = {}
    for line in lines:
        first.setdefault(line["group"], line)
    return list(first.values())


def _case(line: Line, path: Path, row: int, whole: bool) -> Case:
    return Case(
        path=str(path),
        row=row,
        label=CLASSES[line["node_positive"]],
        patient=line["patient"],
        group=f"tss-{line['tss']}" if whole else None,
        columns=(("cancer_type", line["cancer_type"]), ("tss", line["tss"])),
    )
