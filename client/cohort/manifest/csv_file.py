"""Read a manifest's file, CSV or Parquet, as rows of text, and write CSV; nothing in a file is trusted.

A record must be one line, so that a line number identifies a case; a file with another record is refused at that line.
Only one line is held at a time, and no message quotes a cell or a column's name.

A cell that a spreadsheet would run as a formula (OWASP, CSV injection: it begins with ``=``, ``+``, ``-``, ``@`` or one
of their wide forms, and is not a number) is written with an apostrophe before it, as one would type it; the apostrophe
is dropped when such a cell is read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TextIO

from fedgraft.client.cohort.manifest.parquet_file import MAGIC, parquet_rows
from fedgraft.common.errors import DataError

LINE_BYTES = 1_000_000
COLUMNS = 4_096

_STARTS = "'=+-@＝＋－＠"
_FORMULA = re.compile(r"'*[=+\-@＝＋－＠]")
_SHIELDED = re.compile(r"'+[=+\-@＝＋－＠]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_TEXT = (
    (b"PK\x03\x04", "an Excel workbook or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"\xff\xfe", "UTF-16 text"),
    (b"\xfe\xff", "UTF-16 text"),
)
SAVE_AS = "save it as CSV (UTF-8)"


def read_rows(path: Path) -> Iterator[Sequence[str]]:
    """Yield the column names, then the cells of each line: row ``i`` is line ``i + 1`` of the file (for a Parquet file:
    of the equivalent CSV). All rows are equally long; empty lines at the end are left out.

    CSV: UTF-8 with or without a byte order mark, separated by commas, or by semicolons or tabs if the first line has no
    comma. Parquet is recognised by its first bytes, not by its name.

    Raises:
        DataError: the file can't be opened, or is not such a table (the message names the line); a line is longer than
            `LINE_BYTES`, or there are more than `COLUMNS` columns.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(0)
            rows = parquet_rows(path, COLUMNS) if start == MAGIC else _csv_rows(path, stream, start)
            header = _header(path, next(rows, ()))
            yield header
            yield from _even(path, rows, len(header))
    except OSError as error:
        raise DataError(f"manifest {path} can't be read ({type(error).__name__})") from None


def delimiter_of(first: str) -> str:
    """The delimiter of a file with this first line: comma, semicolon or tab."""
    return next((mark for mark in ",;\t" if mark in first), ",")


def write_rows(stream: TextIO, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV file that `read_rows` reads back to equal cells, and in which a spreadsheet finds no formula.

    Raises:
        DataError: a cell holds a line break or a NUL character (the message names the line).
    """
    writer = csv.writer(stream, lineterminator="\n")
    for line, cells in enumerate(chain((header,), rows), start=1):
        text = "".join(cells)
        if "\n" in text or "\r" in text or "\0" in text:
            raise DataError(f"line {line} can't be written to a manifest: a cell holds a line break or a NUL character")
        writer.writerow([_shield(cell) for cell in cells])


def _shield(cell: str) -> str:
    return f"'{cell}" if cell and cell[0] in _STARTS and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _unshield(cell: str) -> str:
    return cell[1:] if _SHIELDED.match(cell) else cell


def _header(path: Path, cells: Sequence[str]) -> Sequence[str]:
    names = tuple(cell.strip() for cell in cells)
    if not any(names):
        raise DataError(f"manifest {path} is empty; its first line must name the columns")
    if len(names) > COLUMNS:
        raise DataError(f"manifest {path} has {len(names)} columns; {COLUMNS} are the most. {_ELSEWHERE}")
    first: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        if not name:
            raise DataError(f"manifest {path}: column {number} has no name in the first line; name it, or delete it")
        if first.setdefault(name, number) != number:
            raise DataError(f"manifest {path}: columns {first[name]} and {number} have the same name; rename one")
    return names


def _even(path: Path, rows: Iterator[Sequence[str]], width: int) -> Iterator[Sequence[str]]:
    blank = 0
    for line, cells in enumerate(rows, start=2):
        if not any(cells):
            blank = blank or line
        elif blank:
            raise DataError(f"manifest {path}, line {blank} is empty; delete it")
        elif len(cells) != width:
            raise DataError(f"manifest {path}, line {line} has {len(cells)} cells, but the first line {width}")
        else:
            yield cells


def _csv_rows(path: Path, stream: BinaryIO, start: bytes) -> Iterator[Sequence[str]]:
    for magic, what in _NOT_TEXT:
        if start.startswith(magic):
            raise DataError(f"manifest {path} is {what}; {SAVE_AS}")
    lines = _Lines(path, stream)
    delimiter = delimiter_of(lines.first)
    try:
        for cells in csv.reader(lines, delimiter=delimiter, strict=True):
            lines.records += 1
            yield [_unshield(cell) for cell in cells] if lines.apostrophe else cells
    except csv.Error:
        raise DataError(
            f"manifest {path}, line {lines.given}: text after a closing quote, a line end that is neither LF nor CR "
            f"LF, or a cell of more than {csv.field_size_limit()} characters; {SAVE_AS}"
        ) from None


class _Lines:
    """The lines of a CSV file as text, for `csv.reader`; raises if the reader asks for a second line for one record.

    ``given``: lines passed to the reader. ``records``: records that it made of them. ``apostrophe``: whether the last
    line has one.
    """

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        self.given = self.records = 0
        self.apostrophe = False
        self.first = self._read()

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self.given > self.records:
            raise DataError(
                f"manifest {self._path}, line {self.given}: a quote is not closed on its line; close it, or take line "
                "breaks out of the cell"
            )
        text = self._read() if self.given else self.first.removeprefix("\ufeff")
        if not text:
            raise StopIteration
        self.given += 1
        self.apostrophe = "'" in text
        return text

    def _read(self) -> str:
        raw = self._stream.readline(LINE_BYTES + 1)
        where = f"manifest {self._path}, line {self.given + 1}"
        if len(raw) > LINE_BYTES:
            raise DataError(f"{where} is longer than {LINE_BYTES} bytes. {_ELSEWHERE}")
        if b"\0" in raw:
            raise DataError(f"{where} holds a NUL character (is it UTF-16 text?); {SAVE_AS}")
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            raise DataError(f"{where} is not UTF-8 text (is it Latin-1 or Windows-1252?); {SAVE_AS}") from None


_ELSEWHERE = f"Put features into a file of their own, named by `path` and `row` (at most {COLUMNS} columns here)"
