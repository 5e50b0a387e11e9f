"""A first manifest from a hospital's own table: its columns under the names that a manifest has, numbers with a point.

The manifest is then the table (a list without ``path`` is itself one): every other column is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fedgraft.client.cohort.manifest.csv_file import read_rows
from fedgraft.common.errors import DataError

NAMES = ("patient", "label", "time", "event", "group", "split")
"""What a column can be to a manifest of a table."""
NUMBERED = "#"
"""In the place of a column: each line is a patient of its own, numbered from 1."""
_WITH_POINT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WITH_COMMA = re.compile(r"[+-]?(\d+,\d+|,\d+|\d{1,3}(\.\d{3})+,\d+)", re.ASCII)
_GROUPS = re.compile(r"[+-]?\d{1,3}([.,]\d{3})+", re.ASCII)
"""May be a number in thousands as well."""
_DIGIT = re.compile(r"\d")
"""A cell without one is a word, for instance for what is missing."""


@dataclass
class _Column:
    """What the cells of a column look like."""

    numbers: bool = True
    commas: int = 0
    points: int = 0
    unclear: int = 0

    def look(self, cell: str) -> None:
        if not self.numbers or not _DIGIT.search(cell):
            return
        if _WITH_COMMA.fullmatch(cell):
            self.commas += 1
            self.unclear += bool(_GROUPS.fullmatch(cell))
        elif _WITH_POINT.fullmatch(cell):
            self.points += "." in cell
        else:
            self.numbers = False

    @property
    def has_commas(self) -> bool:
        return self.numbers and self.commas > 0 and not self.points


@dataclass(frozen=True)
class TableDraft:
    """The manifest, and what is to be said of it.

    Attributes:
        header: of the manifest.
        lines: gives its lines, anew each time.
        count, patients: how many lines and patients there are.
        labels: the number of different labels; ``None`` without such a column.
        remarks: sentences that name columns, and no cell.
    """

    header: tuple[str, ...]
    lines: Callable[[], Iterator[Sequence[str]]]
    count: int
    patients: int
    labels: int | None
    remarks: tuple[str, ...]


@dataclass
class _Seen:
    """What a table holds."""

    columns: list[_Column]
    count: int = 0
    named: dict[str, set[str]] = field(default_factory=dict)


def draft_table(file: Path, columns: Mapping[str, str], comma: bool = False) -> TableDraft:
    """Propose a manifest for a table: CSV or Parquet, as `fedgraft.client.cohort.manifest.csv_file.read_rows` takes it.

    Args:
        columns: by name in the manifest (of `NAMES`) the column of the table; ``patient`` may be `NUMBERED`.
        comma: whether numbers are written with a decimal comma; they get a point, in columns of nothing but numbers and
            words without a digit.

    Raises:
        DataError: the file is no table, a column is not in it or named twice, no column names the patient, or
            ``comma`` has no effect.
    """
    header = tuple(next(read_rows(file)))
    _check(file, header, columns)
    named = _named(header, columns)
    places = {name: place for place, name in enumerate(named)}
    numbered = columns.get("patient") == NUMBERED
    seen = _look(file, {name: places[name] for name in ("patient", "label") if name in places}, len(header))
    changed = [place for place, one in enumerate(seen.columns) if one.has_commas] if comma else []
    if comma and not changed:
        raise DataError(f"--decimal comma has no effect: no column of {file} holds numbers with a comma; leave it out")

    def lines() -> Iterator[Sequence[str]]:
        for number, cells in enumerate(_rows(file), start=1):
            made = [cell.strip() for cell in cells]
            for place in changed:
                made[place] = _pointed(made[place])
            yield [str(number), *made] if numbered else made

    return TableDraft(
        ("patient", *named) if numbered else named,
        lines,
        seen.count,
        seen.count if numbered else len(seen.named["patient"] - {""}),
        len(seen.named["label"] - {""}) if "label" in seen.named else None,
        tuple(_remarks(named, seen, comma)),
    )


def _rows(file: Path) -> Iterator[Sequence[str]]:
    rows = read_rows(file)
    next(rows)
    return rows


def _check(file: Path, header: Sequence[str], columns: Mapping[str, str]) -> None:
    there = f"the table has: {', '.join(header)}"
    for name, column in columns.items():
        if name not in NAMES:
            raise DataError(f"--columns {name}={column}: a manifest has no {name}; it has {', '.join(NAMES)}")
        if column == NUMBERED and name == "patient":
            if "patient" in header:
                raise DataError(f"--columns patient={NUMBERED}: {file} has a column `patient`; leave the option out")
        elif column not in header:
            raise DataError(f"--columns {name}={column}: {file} has no column {column}; {there}")
        elif name in header and name != column:
            raise DataError(
                f"--columns {name}={column}: {file} also has a column `{name}`; rename or delete that one in the table"
            )
    if len(set(columns.values())) < len(columns):
        raise DataError("--columns gives two names to one column; name each once")
    if "patient" not in header and "patient" not in columns:
        raise DataError(
            f"which column of {file} names the patient? Say --columns patient=COLUMN, or patient={NUMBERED} if each "
            f"line is a patient of its own; {there}"
        )


def _named(header: Sequence[str], columns: Mapping[str, str]) -> tuple[str, ...]:
    mine = {column: name for name, column in columns.items()}
    return tuple(mine.get(column, column) for column in header)


def _look(file: Path, named: Mapping[str, int], width: int) -> _Seen:
    seen = _Seen([_Column() for _ in range(width)], named={name: set() for name in named})
    for cells in _rows(file):
        seen.count += 1
        for column, cell in zip(seen.columns, cells, strict=True):
            column.look(cell.strip())
        for name, place in named.items():
            seen.named[name].add(cells[place].strip())
    if not seen.count:
        raise DataError(f"{file} has no line below the names of its columns")
    return seen


def _pointed(cell: str) -> str:
    return cell.replace(".", "").replace(",", ".") if _WITH_COMMA.fullmatch(cell) else cell


def _remarks(named: Sequence[str], seen: _Seen, comma: bool) -> Iterator[str]:
    both = [name for name, one in zip(named, seen.columns, strict=True) if one.numbers and one.commas and one.points]
    some = {name: one for name, one in zip(named, seen.columns, strict=True) if one.has_commas}
    if both:
        yield (
            f"numbers with a comma stand beside numbers with a point, left as they are and refused later: "
            f"{', '.join(both)}; write them in one way"
        )
    if some and comma:
        cells = sum(one.commas for one in some.values())
        yield f"{cells} numbers with a comma got a point: {', '.join(some)}"
    elif some:
        yield (
            f"numbers with a comma, which a run refuses: {', '.join(some)}; --decimal comma writes them with a point"
        )
    unclear = [name for name, one in some.items() if one.unclear == one.commas]
    if unclear:
        yield f"of {', '.join(unclear)} all have three digits after the comma: look whether they are thousands"
