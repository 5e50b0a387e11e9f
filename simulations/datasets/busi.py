"""BUSI: 780 breast ultrasound images, benign, malignant or normal (CC BY 4.0).

Al-Dhabyani et al., Dataset of breast ultrasound images, Data in Brief 2020. One hospital. Images that nearly equal each
other, of which there are many, are in one group and never split. ``dup_group`` in ``labels.csv`` misses 58 such pairs;
``group`` in the labels of `breast_us`, which holds these images too, does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.breast_us import NAME as NEAR
from fedgraft.simulations.datasets.csv_tables import Line, read_lines
from fedgraft.simulations.datasets.source import Source, find, places

NAME = "busi/labels.csv"
PUBLISHER = "https://scholar.cu.edu.eg/Dataset_BUSI.zip"
COLUMNS = ("path", "label", "dup_group")
LAYOUT = (
    f"Its publisher ({PUBLISHER}) gives no checksum, so FedGraft does not download it: unpack it into that "
    f"folder without the mask images, and write labels.csv with the columns {', '.join(COLUMNS)}, one line "
    "for each image (path relative to labels.csv; images that nearly equal each other get one dup_group)"
)
Groups = Literal["near", "published"]


def busi(*, root: Path | None, cache: Path, groups: Groups | None = None) -> Source:
    """All images; no sites, no official test set. A note says which groups were used.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, where the data set may lie too.
        groups: ``near`` = those of `breast_us`; ``published`` = ``dup_group``; ``None`` = ``near`` if breast_us is here
            and has all images, else ``published``.

    Raises:
        DataError: the data set, or breast_us for ``near``, is not here, or a ``labels.csv`` is wrong.
    """
    file = find(NAME, root, cache)
    if file is None:
        raise DataError(f"BUSI is not here: {places(NAME, root, cache)}. {LAYOUT}")
    lines = read_lines(file, COLUMNS)
    for number, line in enumerate(lines, start=2):
        if not all(line[name] for name in COLUMNS):
            raise DataError(f"{file}, line {number}: path, label and dup_group must not be empty")
    if not lines:
        raise DataError(f"{file} lists no image")
    near = {} if groups == "published" else _near(root, cache)
    missing = sum(line["path"] not in near for line in lines)
    if groups == "near" and missing:
        raise DataError(
            f"data.groups=near needs the groups of breast_us, and {_lack(near, missing, root, cache)}; or use "
            "data.groups=published"
        )
    if missing:
        why = "" if groups == "published" else f": {_lack(near, missing, root, cache)}"
        said = f"busi: groups=published, the column dup_group, which leaves 58 near-duplicate pairs apart{why}"
        return Source(
            cases=_cases(lines, file, {line["path"]: f"group-{line['dup_group']}" for line in lines}), notes=(said,)
        )
    return Source(cases=_cases(lines, file, near), notes=("busi: groups=near, the column group of breast_us",))


def _near(root: Path | None, cache: Path) -> dict[str, str]:
    """The group of each image in breast_us's labels by its path here; empty if breast_us is not here."""
    file = find(NEAR, root, cache)
    if file is None:
        return {}
    found = ((line["source"].partition("busi/"), line["group"]) for line in read_lines(file, ("source", "group")))
    return {path: group for (_, _, path), group in found if path and group}


def _lack(near: Mapping[str, str], missing: int, root: Path | None, cache: Path) -> str:
    return f"{NEAR} lacks {missing} of the images" if near else places(NEAR, root, cache)


def _cases(lines: Sequence[Line], file: Path, group_of: Mapping[str, str]) -> tuple[Case, ...]:
    images = [(file.parent / line["path"], line) for line in lines]
    return tuple(
        Case(path=str(path.resolve()), label=line["label"], patient=path.stem, group=group_of[line["path"]])
        for path, line in images
    )
