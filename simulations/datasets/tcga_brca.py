"""TCGA-BRCA: survival of 1,088 women and men with breast cancer, 39 clinical features (GDC open access).

The Cancer Genome Atlas, as prepared for Fed-TCGA-BRCA (Ogier du Terrail et al., FLamby, NeurIPS 2022), with its regions
and its train and test cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import Line, read_lines, write_table
from fedgraft.simulations.datasets.source import Source, find, places

PATIENT, EVENT, DAYS = "pid", "E", "T"
REGIONS = ("northeast", "south", "west", "midwest", "europe", "canada")
"""In the order of FLamby's numbers, which start at 0."""
FEATURES = 39
SPLITS = ("train", "test")
FIRST_DAY = "0.5"


def tcga_brca(*, root: Path | None, cache: Path, sites: Literal["regions", "hospitals"] = "regions") -> Source:
    """The cases of FLamby's split, as tables in ``cache``; columns ``time`` (days, above 0) and ``event``.

    The 12 cases last seen on the day of diagnosis get a time of half a day. No event is as early, so this changes
    neither the partial likelihood nor the C-index.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, to which the tables are written.
        sites: ``regions`` = the six of FLamby; ``hospitals`` = the 37 tissue source sites, by the code in a barcode.

    Raises:
        DataError: a file is not here or not as published.
    """
    table, splits = (_find(name, root, cache) for name in ("brca.csv", "train_test_split.csv"))
    split_of = _splits(splits)
    lines = [line for line in read_lines(table, (PATIENT, EVENT, DAYS)) if line[PATIENT] in split_of]
    if len(lines) != len(split_of):
        raise DataError(f"{table} does not hold each case of {splits.name} once; get both files from one place")
    features = [name for name in lines[0] if name not in (PATIENT, EVENT, DAYS)]
    _check(table, lines, features)
    owner = [_hospital(line) if sites == "hospitals" else split_of[line[PATIENT]][1] for line in lines]
    cases: list[Case] = []
    for site in sorted(set(owner)):
        own = [line for line, name in zip(lines, owner, strict=True) if name == site]
        path = write_table(cache / "tcga_brca", site, features, own)
        cases += [_case(line, path, row, split_of[line[PATIENT]][0]) for row, line in enumerate(own)]
    return Source(cases=tuple(cases), site_of=tuple(sorted(owner)))


def _find(name: str, root: Path | None, cache: Path) -> Path:
    relative = f"tcga_brca/{name}"
    file = find(relative, root, cache)
    if file is None:
        raise DataError(
            f"TCGA-BRCA is not here: {places(relative, root, cache)}. FedGraft does not download it: brca.csv and "
            "train_test_split.csv are in flamby/datasets/fed_tcga_brca of https://github.com/owkin/FLamby"
        )
    return file


def _splits(file: Path) -> dict[str, tuple[str, str]]:
    """``(train or test, region)`` by patient, read from the column ``fold2``: ``train_0``, ``test_5``, ..."""
    lines = read_lines(file, (PATIENT, "fold2"))
    found = {}
    for number, line in enumerate(lines, start=2):
        split, _, region = line["fold2"].partition("_")
        if split not in SPLITS or region not in map(str, range(len(REGIONS))):
            raise DataError(f"{file}, line {number}: fold2 must be train or test, _, and a region from 0 to 5")
        found[line[PATIENT]] = split, REGIONS[int(region)]
    if not found or len(found) != len(lines):
        raise DataError(f"{file} must name each case once")
    return found


def _check(file: Path, lines: Sequence[Line], features: Sequence[str]) -> None:
    if len(features) != FEATURES:
        raise DataError(f"{file} has {len(features)} features, not {FEATURES}; get the file again")
    for line in lines:
        days = line[DAYS].partition(".")[0]
        if line[EVENT] not in ("0.0", "1.0") or not days.isdecimal() or (days == "0" and line[EVENT] == "1.0"):
            raise DataError(f"{file}: T must be days, 0 or more, and E 0.0, or 1.0 with T above 0, for every case")


def _hospital(line: Line) -> str:
    """The site of a tissue source: ``TCGA-BH-A18U`` -> ``tss-BH``."""
    return f"tss-{line[PATIENT].split('-')[1]}"


def _case(line: Line, path: Path, row: int, split: str) -> Case:
    days = f"{float(line[DAYS]):g}"
    time = FIRST_DAY if days == "0" else days
    columns = (("time", time), ("event", line[EVENT][0]))
    return Case(path=str(path), row=row, label="", patient=line[PATIENT], split=split, columns=columns)
