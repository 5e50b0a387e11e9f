"""Breast ultrasound of three hospitals: benign or malignant, 2,785 images; 549 normal ones of two hospitals if asked.

Rio de Janeiro: BUS-BRA (Gomez-Flores et al., Med Phys 51:3110, 2024), four scanners. Ciudad Real: BUS-UCLM (Vallez et
al., Sci Data 2025, 10.1038/s41597-025-04562-3; non-commercial). Cairo: BUSI (Al-Dhabyani et al., Data in Brief 2020, CC
BY 4.0). ``group`` in ``labels.csv`` joins a patient's images and their near-duplicates, and is never split.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.units import by_unit, unit_names
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import Line, read_lines
from fedgraft.simulations.datasets.source import Source, find, places

NAME = "breast_us/labels.csv"
CLASSES = ("benign", "malignant", "normal")
NORMAL = CLASSES[2]
RIO, RIO_DEVICES = "rio_inca", "rio_"
CELLS = ("path", "site", "label", "patient_id", "group", "device")
COLUMNS = (*CELLS, "pixel_md5")
Sites = Literal["hospitals", "devices"]


def breast_us(
    *, root: Path | None, cache: Path, classes: tuple[str, ...] | None = None, sites: Sites = "hospitals"
) -> Source:
    """The images of the classes that are asked for, by hospital. Column ``device``: the scanner.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, where the data set may lie too.
        classes: the plan's ``data.classes``; normal images are left out unless ``normal`` is among them.
        sites: ``hospitals``, or ``devices``: each of Rio's scanners is a site of its own (``rio_ge_logiq5``, ...); a
            group of images from two scanners goes to the one that has more of them.

    Raises:
        DataError: the data set is not here, or ``labels.csv`` is wrong.
    """
    file = find(NAME, root, cache)
    if file is None:
        raise DataError(
            f"breast_us is not here: {places(NAME, root, cache)}. FedGraft does not download it: put the images of "
            "BUS-BRA, BUS-UCLM and BUSI into that folder, and write labels.csv with the columns "
            f"{', '.join(COLUMNS)}, one line for each image (path relative to labels.csv; group: a patient's images "
            "and all that nearly equal one of them)"
        )
    lines = read_lines(file, COLUMNS)
    if not lines:
        raise DataError(f"{file} lists no image")
    for number, line in enumerate(lines, start=2):
        _check(file, line, number)
    left_out = () if NORMAL in (classes or ()) else (NORMAL,)
    kept = [line for line in lines if line["label"] not in left_out]
    cases = _together([_case(line, file) for line in kept], kept)
    site_of = [line["site"] for line in kept]
    notes = _said_left_out(lines, kept)
    if sites == "devices":
        site_of, moved = _by_device(cases, site_of)
        notes += moved
    return Source(cases=tuple(cases), site_of=tuple(site_of), notes=tuple(notes))


def _check(file: Path, line: Line, number: int) -> None:
    if not all(line[name] for name in CELLS) or line["label"] not in CLASSES:
        raise DataError(
            f"{file}, line {number}: {', '.join(CELLS)} must not be empty, and label must be one of "
            f"{', '.join(CLASSES)}"
        )


def _case(line: Line, file: Path) -> Case:
    return Case(
        path=str((file.parent / line["path"]).resolve()),
        label=line["label"],
        patient=line["patient_id"],
        group=line["group"],
        columns=(("device", line["device"]),),
    )


def _together(cases: Sequence[Case], lines: Sequence[Line]) -> list[Case]:
    """The cases, with one group for all images of a hospital that have equal pixels: a site refuses equal pixels in
    two splits."""
    images = [line["pixel_md5"] or line["path"] for line in lines]
    equal = [
        replace(case, patient=f"{line['site']} {image}") for case, line, image in zip(cases, lines, images, strict=True)
    ]
    return [replace(case, group=name) for case, name in zip(cases, unit_names(equal), strict=True)]


def _said_left_out(lines: Sequence[Line], kept: Sequence[Line]) -> list[str]:
    if len(kept) == len(lines):
        return []
    gone = Counter(line["site"] for line in lines if line["label"] == NORMAL)
    where = ", ".join(f"{site} {count}" for site, count in sorted(gone.items()))
    return [
        f"{gone.total()} normal images are left out ({where}); data.classes=[{','.join(CLASSES)}] has them as a third "
        "class"
    ]


def _by_device(cases: Sequence[Case], hospitals: Sequence[str]) -> tuple[list[str], list[str]]:
    """The site of each case, with Rio's scanners as sites, and a sentence on groups from two scanners, if any."""
    rio = [case for case, hospital in zip(cases, hospitals, strict=True) if hospital == RIO]
    device_of: dict[Case, str] = {}
    for some in by_unit(rio).values():
        counts = Counter(case.column("device") or "" for case in some)
        device_of |= dict.fromkeys(some, min(counts, key=lambda device: (-counts[device], device)))
    found = [
        f"{RIO_DEVICES}{device_of[case]}" if hospital == RIO else hospital
        for case, hospital in zip(cases, hospitals, strict=True)
    ]
    moved = sum(case.column("device") != device for case, device in device_of.items())
    said = [f"{moved} image(s) go to another scanner's site, which has more images of their group"] if moved else []
    return found, said
