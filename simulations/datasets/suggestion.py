"""Suggest which columns of a table are numeric and which categorical, as words for a command line."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import read_rows

_ROWS = 10_000
MOST_WORDS = 20
_IMAGES = frozenset({".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npz"})
_ALREADY = frozenset({"path", "row", "label", "patient", "group", "split", "time", "event"})


def suggestion(cases: Sequence[Case], used: Collection[str] = ()) -> str:
    """Options like ``table.numeric=[age,chol] table.categorical=[sex]``, quoted for a shell.

    By the first rows, a column of numbers is numeric and one of at most `MOST_WORDS` distinct texts is categorical.

    Args:
        used: columns that serve another purpose.
    """
    numeric, categorical = [], []
    for name, cells in _columns(cases):
        known = {cell for cell in cells if cell}
        if not known or name in _ALREADY or name in used:
            continue
        if all(_is_number(cell) for cell in known):
            numeric.append(name)
        elif len(known) <= MOST_WORDS:
            categorical.append(name)
    return f"{_option('numeric', numeric)} {_option('categorical', categorical)}"


def images_hint(cases: Sequence[Case]) -> str:
    """A hint if a column of the manifest seems to hold paths of images."""
    for name, cell in cases[0].columns:
        if Path(cell.partition("::")[0]).suffix.lower() in _IMAGES:
            return f". If `{name}` names the image of each case, say data.file={name}"
    return ""


def _columns(cases: Sequence[Case]) -> Iterator[tuple[str, set[str]]]:
    """Names and cells of the manifest's own columns, then of the columns of the table that the first case names."""
    first = cases[:_ROWS]
    for place, (name, _) in enumerate(cases[0].columns):
        yield name, {case.columns[place][1] for case in first}
    own = {name for name, _ in cases[0].columns} | _ALREADY
    rows = read_rows(Path(cases[0].path)) if Path(cases[0].path).is_file() else iter(())
    header = next(rows, ())
    if "patient" in header:  # the manifest itself
        return
    cells: list[set[str]] = [set() for _ in header]
    for row in islice(rows, _ROWS):
        for known, cell in zip(cells, row, strict=True):
            known.add(cell.strip())
    yield from ((name, known) for name, known in zip(header, cells, strict=True) if name not in own)


def _is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def _option(name: str, columns: Sequence[str]) -> str:
    words = ",".join(column if column.replace("_", "a").isalnum() else f'"{column}"' for column in columns)
    option = f"table.{name}=[{words}]"
    return f"'{option}'" if '"' in option else option
