"""Notes of a file: the column of a table, or the paragraphs of a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fedgraft.client.cohort.manifest.csv_file import delimiter_of
from fedgraft.common.errors import DataError

_LARGEST = 1 << 30  # bytes of a file
_HEADER = 1 << 20
_BLOCK = 1 << 20  # bytes that are parsed at once; a row must fit, so that it grows with the file


def read_notes(path: Path, column: str) -> list[str]:
    """The cells of a column of a CSV or Parquet file, or what stands between empty lines of any other file.

    Raises:
        DataError: the file can't be read, is no UTF-8, or has no such column.
    """
    if path.suffix.lower() in (".csv", ".tsv", ".parquet"):
        return column_of(read_table(path), column, path)
    text = _text(path)
    return [paragraph.strip("\n") for paragraph in text.replace("\r\n", "\n").split("\n\n") if paragraph.strip()]


def column_of(table: Any, column: str, path: Path) -> list[str]:
    """The texts of a column of a `pyarrow.Table`.

    Raises:
        DataError: there is no such column.
    """
    if table.column_names.count(column) != 1:
        raise DataError(f"{path} has no column {column}, or two; name the column with the notes: --column")
    return [cell or "" for cell in table.column(column).to_pylist()]


def read_table(path: Path) -> Any:
    """A CSV or Parquet file as a `pyarrow.Table`; of a CSV every cell is text, and a cell may have line breaks.

    Raises:
        DataError: it can't be read.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    size = _size(path)
    try:
        if path.suffix.lower() == ".parquet":
            return parquet.read_table(path)
        with path.open("rb") as stream:
            first = stream.readline(_HEADER).decode("utf-8-sig")
        parsing = csv.ParseOptions(delimiter=delimiter_of(first), newlines_in_values=True)
        reading = csv.ReadOptions(use_threads=False, block_size=max(_BLOCK, size + 1))
        names = csv.read_csv(path, parse_options=parsing, read_options=reading).column_names
        types = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False)
        return csv.read_csv(path, parse_options=parsing, read_options=reading, convert_options=types)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no readable table, CSV (UTF-8) or Parquet ({type(error).__name__})") from None


def _size(path: Path) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"{path} can't be read ({type(error).__name__})") from None
    if size > _LARGEST:
        raise DataError(f"{path} has {size} bytes, more than {_LARGEST}; cut it into several files")
    return size


def _text(path: Path) -> str:
    _size(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no readable text in UTF-8 ({type(error).__name__})") from None
