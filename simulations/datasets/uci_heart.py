"""UCI Heart Disease: four hospitals, 13 columns, is a coronary artery narrowed by half or more? (CC BY 4.0).

Janosi, Steinbrunn, Pfisterer and Detrano, UCI Machine Learning Repository 45, 1988. With ``rows=flamby`` the cases and
the split are those of Fed-Heart-Disease (Ogier du Terrail et al., FLamby, NeurIPS 2022).
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fedgraft.client.cohort.case import Case
from fedgraft.common.errors import DataError
from fedgraft.simulations.datasets.csv_tables import write_table
from fedgraft.simulations.datasets.source import Source, find, places

HOSPITALS = ("cleveland", "hungarian", "switzerland", "va")
KEPT = ("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak")
FEATURES = (*KEPT, "slope", "ca", "thal")  # FLamby drops the last three, mostly missing outside Cleveland
LABEL = "num"  # 0 = below half, 1 to 4 = narrowed vessels
CLASSES = ("absent", "present")
ZERO_IS_MISSING = ("trestbps", "chol")  # mmHg and mg/dl: nobody alive has 0
SEX = {"0": "F", "1": "M"}
TRAIN_SHARE, SPLIT_SEED = 0.66, 43

Line = dict[str, str]


def uci_heart(*, root: Path | None, cache: Path, rows: Literal["flamby", "all"] = "flamby") -> Source:
    """The cases of each hospital, as tables in ``cache``.

    A blood pressure or cholesterol of 0 was not measured (all of Switzerland's cholesterol): it is left empty.

    Args:
        root: the folder of ``FEDGRAFT_DATA``, or ``None``.
        cache: FedGraft's cache folder, to which the tables are written.
        rows: ``flamby`` = the 740 cases without a missing value in the first ten columns, these columns, and FLamby's
            train and test cases; ``all`` = 920 cases and all columns, missing values left missing, no split.

    Raises:
        DataError: a hospital's file is not here or not as published.
    """
    cases: list[Case] = []
    sites: list[str] = []
    for hospital in HOSPITALS:
        lines = _read(_file(hospital, root, cache))
        if rows == "flamby":
            lines = _flamby(lines)
        columns = FEATURES if rows == "all" else KEPT
        written = [_normalised(line) for line in lines]
        table = write_table(cache / "uci_heart", f"{hospital}-{rows}", columns, written)
        split = flamby_split([_is_ill(line) for line in lines]) if rows == "flamby" else [None] * len(lines)
        for row, (line, shown) in enumerate(zip(lines, written, strict=True)):
            cases.append(
                Case(
                    path=str(table),
                    row=row,
                    label=CLASSES[_is_ill(line)],
                    patient=f"{hospital}-{row + 1:03d}",
                    split=split[row],
                    columns=(("sex", shown["sex"]), ("age", shown["age"])),
                )
            )
        sites += [hospital] * len(lines)
    return Source(cases=tuple(cases), site_of=tuple(sites))


def flamby_split(ill: Sequence[bool]) -> list[str | None]:
    """``train`` or ``test`` for one hospital's cases, in the order of its file, as FLamby draws them.

    Drawn by scikit-learn's `train_test_split`, stratified by class only if each class has three cases or more.
    """
    from sklearn.model_selection import train_test_split

    counts = Counter(ill).values()
    stratify = list(ill) if len(counts) > 1 and min(counts) > 2 else None
    shares = {"train_size": TRAIN_SHARE, "test_size": 1 - TRAIN_SHARE}
    _, test = train_test_split(range(len(ill)), **shares, random_state=SPLIT_SEED, stratify=stratify)
    tests = set(test)
    return ["test" if row in tests else "train" for row in range(len(ill))]


def _file(hospital: str, root: Path | None, cache: Path) -> Path:
    name = f"uci_heart/processed.{hospital}.data"
    file = find(name, root, cache)
    if file is None:
        raise DataError(
            f"UCI Heart Disease is not here: {places(name, root, cache)}. FedGraft does not download it: its four "
            "processed.*.data files are at https://archive.ics.uci.edu/dataset/45/heart+disease"
        )
    return file


def _read(file: Path) -> list[Line]:
    """Read the lines; missing values (``?``) become "", and numbers are written in their shortest form."""
    names = (*FEATURES, LABEL)
    try:
        table = [cells for cells in csv.reader(file.read_text(encoding="ascii").splitlines()) if cells]
    except (OSError, UnicodeDecodeError, csv.Error):
        raise DataError(f"{file} is damaged: it is not lines of numbers; get it again") from None
    if not table:
        raise DataError(f"{file} lists no case")
    lines = []
    for number, cells in enumerate(table, start=1):
        line = dict(zip(names, map(_number, cells), strict=False))
        if len(cells) != len(names) or "bad" in line.values() or line["sex"] not in SEX or not line[LABEL]:
            raise DataError(
                f"{file}, line {number}: {len(names)} numbers or ? are expected, with sex 0 or 1 and a label at the end"
            )
        lines.append(line)
    return lines


def _number(cell: str) -> str:
    cell = cell.strip()
    if cell == "?":
        return ""
    try:
        value = float(cell)
    except ValueError:
        return "bad"
    return f"{value:g}" if math.isfinite(value) else "bad"


def _flamby(lines: list[Line]) -> list[Line]:
    return [line for line in lines if all(line[name] for name in KEPT)]


def _normalised(line: Line) -> Line:
    emptied = {name: "" for name in ZERO_IS_MISSING if line[name] == "0"}
    return {**line, **emptied, "sex": SEX[line["sex"]]}


def _is_ill(line: Line) -> bool:
    return line[LABEL] != "0"
