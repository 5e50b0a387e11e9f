"""Read tables, CSV or Parquet, as cells of text; each file is read once, and only the columns that are needed."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from fedgraft.client.cohort.case import CSV, PARQUET
from fedgraft.client.cohort.manifest.csv_file import delimiter_of
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.site.limits import Limits
from fedgraft.common.errors import DataError

_EXACT = 1e15  # whole floats up to this are exact, and are written without a point


@dataclass(frozen=True)
class TableColumns:
    """Columns of a file: each row's cells in the order of ``names``; ``None`` for a row of the wrong length."""

    names: tuple[str, ...]
    rows: Sequence[tuple[str, ...] | None]


@dataclass
class TableFiles:
    """Reads tables, and keeps what it has read.

    Args:
        limits: a file of more than ``decoded_bytes`` (Parquet: once uncompressed) is refused before it is read.
    """

    limits: Limits = field(default_factory=Limits)
    _held: dict[tuple[Path, int, int, tuple[str, ...]], TableColumns | CaseError] = field(default_factory=dict)

    def read(self, path: Path, names: tuple[str, ...]) -> TableColumns:
        """The columns in ``names`` that the file has.

        Raises:
            CaseError: ``missing``, ``too-large``, ``damaged``, ``unsupported`` or ``inconsistent``; no row of the file
                can be used.
            DataError: the header names one of the columns twice.
        """
        try:
            status = path.stat()
        except (OSError, ValueError):
            raise CaseError("missing") from None
        key = (path, status.st_size, status.st_mtime_ns, names)
        if key not in self._held:
            try:
                self._held[key] = self._read(path, status.st_size, names)
            except CaseError as error:
                self._held[key] = error
        found = self._held[key]
        if isinstance(found, CaseError):
            raise CaseError(found.reason, found.text)
        return found

    def _read(self, path: Path, size: int, names: tuple[str, ...]) -> TableColumns:
        most = self.limits.decoded_bytes
        if size > most:
            raise CaseError("too-large", f"a table of {size} bytes; limits.decoded_bytes={most}")
        suffix = path.suffix.lower()
        if suffix in CSV:
            return _read_csv(path, names)
        if suffix in PARQUET:
            return _read_parquet(path, names, most)
        raise CaseError("unsupported", f"a table must be one of {', '.join((*CSV, *PARQUET))}")


def _read_csv(path: Path, names: tuple[str, ...]) -> TableColumns:
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            first = stream.readline()
            lines = csv.reader(chain((first,), stream), delimiter=delimiter_of(first))
            header = next(lines, [])
            places = _places(header, names)
            found = tuple(header[place] for place in places)
            rows = [_cells(line, len(header), places) for line in _without_blank_end(lines)]
    except (UnicodeDecodeError, csv.Error, OSError):
        raise CaseError("damaged", "a table that is not UTF-8 CSV") from None
    return TableColumns(found, rows)


def _without_blank_end(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """The lines without blank ones at the end; blank lines before others stay, since rows are found by their number."""
    blank = False
    for line in lines:
        if line and blank:
            raise CaseError("inconsistent", "a table with an empty line between its rows; delete the line")
        blank = not line
        if line:
            yield line


def _cells(line: list[str], width: int, places: Sequence[int]) -> tuple[str, ...] | None:
    return tuple(line[place] for place in places) if len(line) == width else None


def _places(header: Sequence[str], names: Iterable[str]) -> list[int]:
    twice = [name for name in names if header.count(name) > 1]
    if twice:
        raise DataError(f"a table has the column(s) {', '.join(twice)} twice; rename one")
    return [header.index(name) for name in names if name in header]


def _read_parquet(path: Path, names: tuple[str, ...], most: int) -> TableColumns:
    import pyarrow as pa  # only where there is such a file
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            places = _places(file.schema_arrow.names, names)
            found = tuple(file.schema_arrow.names[place] for place in places)
            about = file.metadata
            size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
            if max(size, about.num_rows * max(1, len(found))) > most:
                raise CaseError("too-large", f"a table of {size} bytes once uncompressed; limits.decoded_bytes={most}")
            table = file.read(columns=list(found))
        columns = [[_text(value) for value in table.column(name).to_pylist()] for name in found]
    except (pa.ArrowException, OSError, UnicodeDecodeError, OverflowError):
        raise CaseError("damaged", "not a readable Parquet file") from None
    return TableColumns(found, list(zip(*columns, strict=True)) if columns else [()] * about.num_rows)


def _text(value: object) -> str:
    """A Parquet value as a CSV cell: null and NaN are empty, and a whole number has no point even if it is a float (as
    in columns of whole numbers with missing values)."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return str(int(value))
    return str(value)
