"""Suggest which columns of a table are numeric and which categorical, as words for a command line."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.manifest.csv_file import read_rows

_ROWS = 10_000
MOST_WORDS = 20
_COMMA = re.compile(r"[+-]?\d+,\d+")
_IMAGES = frozenset({".dcm", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".npz"})
_ALREADY = frozenset({"path", "row", "label", "patient", "group", "split", "time", "event"})


def suggestion(cases: Sequence[Case], used: Collection[str] = ()) -> str:
    """Options like ``table.numeric=[age,chol] table.categorical=[sex]``, quoted for a shell; and which columns are not
    in them that hold numbers with a comma.

    By the first rows, a column of numbers is numeric and one of at most `MOST_WORDS` distinct texts is categorical.

    Args:
        used: columns that serve another purpose.
    """
    numeric, categorical, commas = [], [], []
    for name, cells in _columns(cases):
        known = {cell for cell in cells if cell}
        if not known or name in _ALREADY or name in used:
            continue
        if all(_is_number(cell) for cell in known):
            numeric.append(name)
        elif _has_commas(known):
            commas.append(name)
        elif len(known) <= MOST_WORDS:
            categorical.append(name)
    words = f"{_option('numeric', numeric)} {_option('categorical', categorical)}"
    return f"{words}. Not among them: {_of_commas(commas)}" if commas else words


def cell_problems(cases: Sequence[Case], numeric: Collection[str], missing: Collection[str]) -> list[str]:
    """What stands in the way of reading numeric columns at all, by the first rows: decimal commas, or no number."""
    commas: list[str] = []
    texts: list[str] = []
    for name, cells in _columns(cases):
        known = {cell for cell in cells if cell and cell not in missing}
        if name not in numeric or not known or any(_is_number(cell) for cell in known):
            continue
        (commas if _has_commas(known) else texts).append(name)
    said = [f"table.numeric: {_of_commas(commas)}"] if commas else []
    if texts:
        said.append(
            f"table.numeric names {', '.join(texts)}, of which no cell is a number: is it table.categorical, or a text "
            "that means missing (table.missing)?"
        )
    return said


def _has_commas(known: Collection[str]) -> bool:
    """Whether more than half of the cells are numbers with a comma."""
    return 2 * sum(_COMMA.fullmatch(cell) is not None for cell in known) > len(known)


def _of_commas(columns: Sequence[str]) -> str:
    return (
        f"{', '.join(columns)} hold(s) numbers with a comma (1,5), which are never guessed at; write a point: in "
        "pandas read_csv(FILE, sep=';', decimal=',').to_csv(NEW, index=False)"
    )


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
