"""BUSI: 780 breast ultrasound images, benign, malignant or normal (CC BY 4.0).

Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 2020. One hospital. Near-duplicates, of which
there are many, have the same ``dup_group`` in ``labels.csv`` and are never split.
"""

from __future__ import annotations

import csv
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.source import Source, find, places

NAME = "busi/labels.csv"
PUBLISHER = "https://scholar.cu.edu.eg/Dataset_BUSI.zip"
COLUMNS = ("path", "label", "dup_group")
LAYOUT = (
    f"Its publisher ({PUBLISHER}) gives no checksum, so FedGraft does not download it: unpack it into that "
    f"folder without the mask images, and write labels.csv with the columns {', '.join(COLUMNS)}, one line "
    "for each image (path relative to labels.csv; images that nearly equal each other get one dup_group)"
)


def busi(*, root: Path | None, cache: Path) -> Source:
    """All images; no sites, no official test set.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, where the data set may lie too.

    Raises:
        DataError: the data set is not here, or ``labels.csv`` is wrong.
    """
    file = find(NAME, root, cache)
    if file is None:
        raise DataError(f"BUSI is not here: {places(NAME, root, cache)}. {LAYOUT}")
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{file} lacks the column(s) {', '.join(missing)}")
        cases = tuple(_case(line, file, number) for number, line in enumerate(reader, start=2))
    if not cases:
        raise DataError(f"{file} lists no image")
    return Source(cases=cases)


def _case(line: dict[str, str], file: Path, number: int) -> Case:
    if not all(line[name] for name in COLUMNS):
        raise DataError(f"{file}, line {number}: path, label and dup_group must not be empty")
    image = file.parent / line["path"]
    return Case(path=str(image.resolve()), label=line["label"], patient=image.stem, group=f"group-{line['dup_group']}")
