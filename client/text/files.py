"""Read a column of notes of a table, CSV or Parquet, as bytes; each file is read once.

Notes hold line breaks, and one with a wrong byte must not cost the others, so that cells are decoded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fedgraft.client.cohort.case import CSV
from fedgraft.client.cohort.manifest.csv_file import delimiter_of
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.site.limits import Limits
from fedgraft.common.errors import DataError

_BLOCK = 1 << 20  # bytes that are parsed at once; a row must fit
_HEADER = 1 << 20


@dataclass
class NoteFiles:
    """Reads columns of notes, and keeps what it has read.

    Args:
        limits: a file of more than ``decoded_bytes`` is refused before it is read.
    """

    limits: Limits = field(default_factory=Limits)
    _held: dict[tuple[Path, int, int, str], Any] = field(default_factory=dict)

    def cell(self, path: Path, column: str, row: int | None) -> bytes:
        """The cell of a row, from 0.

        Raises:
            CaseError: ``missing``, ``too-large``, ``damaged`` or ``no-row``.
            DataError: the file has no such column.
        """
        held = self._column(path, column)
        if isinstance(held, CaseError):
            raise CaseError(held.reason, held.text)
        if row is None or not 0 <= row < len(held):
            raise CaseError("no-row")
        value: bytes | None = held[row].as_py()
        return value or b""

    def _column(self, path: Path, column: str) -> Any:
        """A `pyarrow.ChunkedArray` of bytes, or why there is none."""
        try:
            status = path.stat()
        except (OSError, ValueError):
            raise CaseError("missing") from None
        key = (path, status.st_size, status.st_mtime_ns, column)
        if key not in self._held:
            try:
                self._held[key] = self._read(path, status.st_size, column)
            except CaseError as error:
                self._held[key] = error
        return self._held[key]

    def _read(self, path: Path, size: int, column: str) -> Any:
        if size > self.limits.decoded_bytes:
            raise CaseError("too-large", f"a table of {size} bytes; limits.decoded_bytes={self.limits.decoded_bytes}")
        import pyarrow as pa  # only where there is such a file

        try:
            return _from_csv(path, size, column) if path.suffix.lower() in CSV else _from_parquet(path, column)
        except (pa.ArrowException, OSError, UnicodeDecodeError):
            raise CaseError("damaged", "not a readable CSV or Parquet file of notes") from None


def _from_csv(path: Path, size: int, column: str) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    with path.open("rb") as stream:
        first = stream.readline(_HEADER).decode("utf-8-sig")
    delimiter = delimiter_of(first)
    names = next(iter(_cells(first, delimiter)), [])
    _require(column, names)
    table = csv.read_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=max(_BLOCK, min(size, 1 << 30))),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            include_columns=[column],
            column_types={column: pa.large_binary()},
            check_utf8=False,
            strings_can_be_null=False,
        ),
    )
    return table.column(column)


def _cells(line: str, delimiter: str) -> Sequence[Sequence[str]]:
    import csv

    return list(csv.reader([line], delimiter=delimiter))


def _from_parquet(path: Path, column: str) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        _require(column, file.schema_arrow.names)
        return file.read(columns=[column]).column(column).cast(pa.large_binary())


def _require(column: str, names: Sequence[str]) -> None:
    if list(names).count(column) != 1:
        found = "twice" if column in names else "not at all"
        raise DataError(
            f"a table of notes has the column {column} {found}; name the column with the notes in the plan's "
            "input.column"
        )
