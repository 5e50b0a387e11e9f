"""``fedgraft site deidentify``: what may name a patient in notes, counted by kind, and replaced in a copy."""

from __future__ import annotations

import argparse
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fedgraft.client.deidentification.finding import Counts, Finder, counted, replaced
from fedgraft.client.notes.files import column_of, read_notes, read_table
from fedgraft.client.site.site_file import read_site_file
from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import write_private
from fedgraft.common.runtime.processes import say

DESCRIPTION = """\
Looks in notes for what may name a patient: names behind a title or a label, dates, telephone and record numbers,
addresses and more, by patterns. It prints how many it found of each kind, and never what. An assistant, and no
guarantee: names without a title or a label, nicknames, rare diseases and places are not found. A person must read a
sample of what is to be called de-identified. The notes are not changed; --out writes a copy in which [NAME], [DATE] and
so on stand in the place of what was found. Other columns (patient, path) are copied as they are.
"""
_TABLES = (".csv", ".tsv", ".parquet")


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's own options; ``--site`` is every site command's."""
    parser.add_argument(
        "file", nargs="?", type=Path, metavar="FILE", help="CSV, Parquet or text (default: the site's manifest)"
    )
    parser.add_argument("--column", default="text", help="of the table that holds the notes (default: %(default)s)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="a new file for the copy (default: none is written)")
    parser.add_argument(
        "--pattern",
        action="append",
        default=[],
        metavar="KIND=REGEX",
        help="one more pattern, for instance 'record number=H[0-9]{7}'; may be given again",
    )


def run(given: argparse.Namespace) -> int:
    """Count, and write the copy.

    Raises:
        DataError: presidio-analyzer is not installed, the file can't be read, or the copy's file exists.
        SiteFileError: no file is named, and the site file can't be read.
    """
    path: Path = given.file if given.file is not None else read_site_file(given.site).manifest
    out: Path | None = given.out
    if out is not None and out.exists():
        raise DataError(f"--out {out} exists and is not overwritten; name another file")
    if out is not None and (out.suffix.lower() in _TABLES) != (path.suffix.lower() in _TABLES):
        raise DataError(f"--out {out}: a table is copied to a table (.csv, .tsv, .parquet), a text to a text")
    finder = Finder(_own(given.pattern))
    table = read_table(path) if path.suffix.lower() in _TABLES else None
    notes = read_notes(path, given.column) if table is None else column_of(table, given.column, path)
    found = [finder.find(note) for note in notes]
    for line in _told(counted(found)):
        say(line)
    if out is not None:
        copies = [replaced(note, those) for note, those in zip(notes, found, strict=True)]
        content = "\n\n".join(copies).encode() if table is None else _written(table, given.column, copies, out)
        write_private(out, content)
        say(f"wrote {out}, readable by this account only: read a sample of it before anybody calls it de-identified")
    return 0


def _own(given: Sequence[str]) -> Mapping[str, list[str]]:
    own: dict[str, list[str]] = {}
    for text in given:
        kind, separator, pattern = text.partition("=")
        if not separator or not kind.strip() or not pattern:
            raise DataError(f"--pattern {text} must be KIND=REGEX, for instance 'record number=H[0-9]{{7}}'")
        own.setdefault(kind.strip(), []).append(pattern)
    return own


def _told(counts: Counts) -> Iterator[str]:
    yield f"{counts.of} notes, {counts.any} with at least one finding"
    for kind, number in sorted(counts.found.items()):
        yield f"  {kind}: {number} in {counts.notes[kind]} notes"
    yield "an assistant, and no guarantee: what has no pattern was not found (docs/text-augmentation.md has its recall)"


def _written(table: Any, column: str, copies: Sequence[str], out: Path) -> bytes:
    """The table with another column, as the file's kind asks."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    place = table.column_names.index(column)
    changed = table.set_column(place, column, pa.array(copies, pa.string()))
    stream = io.BytesIO()
    if out.suffix.lower() == ".parquet":
        parquet.write_table(changed, stream)
    else:
        delimiter = "\t" if out.suffix.lower() == ".tsv" else ","
        csv.write_csv(changed, stream, csv.WriteOptions(delimiter=delimiter))
    return stream.getvalue()
