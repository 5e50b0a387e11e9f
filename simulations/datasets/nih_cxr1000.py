"""A part of NIH ChestX-ray14: 1,000 chest films at 256 x 256, half of them with pneumonia.

Wang et al., ChestX-ray8, CVPR 2017; NIH Clinical Center, https://nihcc.app.box.com/v/ChestXray-NIHCC. One hospital. The
labels were extracted from reports by a program, and the two halves differ much in how the films were taken.
"""

from __future__ import annotations

from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import Line, read_lines
from fedgraft.simulations.datasets.source import Source, find, places

NAME = "nih_cxr1000/labels.csv"
CLASSES = ("no_finding", "pneumonia")
SUBGROUPS = ("sex", "age", "view")
COLUMNS = ("path", "label", "patient_id", *SUBGROUPS, "findings")
NONE = "No Finding"
FINDINGS = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia"),
    *("Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax"),
)


def nih_cxr1000(*, root: Path | None, cache: Path, findings: bool = False) -> Source:
    """All films; no sites, no official test set. Columns ``sex``, ``age`` (years) and ``view`` (AP or PA).

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, where the data set may lie too.
        findings: whether to add a column (1 or 0) for each of the 14 findings, with its name in small letters.

    Raises:
        DataError: the data set is not here, or ``labels.csv`` is wrong.
    """
    file = find(NAME, root, cache)
    if file is None:
        raise DataError(
            f"NIH CXR-1000 is not here: {places(NAME, root, cache)}. FedGraft does not download it: put films of "
            f"ChestX-ray14 into that folder, and write labels.csv with the columns {', '.join(COLUMNS)}, one line for "
            "each film (path relative to labels.csv; findings as published, with | between them)"
        )
    lines = read_lines(file, COLUMNS)
    if not lines:
        raise DataError(f"{file} lists no image")
    return Source(cases=tuple(_case(line, file, number, findings) for number, line in enumerate(lines, start=2)))


def _case(line: Line, file: Path, number: int, findings: bool) -> Case:
    known = set(line["findings"].split("|"))
    if not (line["path"] and line["patient_id"] and line["label"] in CLASSES and known <= {NONE, *FINDINGS}):
        raise DataError(
            f"{file}, line {number}: path and patient_id must not be empty, label must be one of {', '.join(CLASSES)}, "
            f"and findings of {NONE}, {', '.join(FINDINGS)}"
        )
    columns = [(name, line[name]) for name in SUBGROUPS]
    if findings:
        columns += [(name.lower(), str(int(name in known))) for name in FINDINGS]
    return Case(
        path=str((file.parent / line["path"]).resolve()),
        label=line["label"],
        patient=line["patient_id"],
        columns=tuple(columns),
    )
