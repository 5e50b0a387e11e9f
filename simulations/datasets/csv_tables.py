"""Read public tables, and write them in one form: CSV with a header, empty cells where a value is missing.

Each hospital gets a file of its own, as it would have; a case is a row of it.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from fedgraft.common.errors import DataError
from fedgraft.common.runtime.files import private_folder, replacing

Line = Mapping[str, str]


def read_lines(file: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    """The lines of a CSV file with a header; ``.gz`` is unpacked.

    Args:
        needed: columns that the file must have.

    Raises:
        DataError: the file can't be read, lacks a column, or has a line with too few or too many cells.
    """
    try:
        text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        reader = csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""))
        missing = [name for name in needed if name not in (reader.fieldnames or ())]
        if missing:
            raise DataError(f"{file} lacks the column(s) {', '.join(missing)}")
        lines = []
        for number, line in enumerate(reader, start=2):
            if None in line or None in line.values():
                raise DataError(f"{file}, line {number}: {len(reader.fieldnames or ())} cells are expected")
            lines.append(line)
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file} is damaged: {type(error).__name__}; get it again") from error
    return lines


def write_table(
    folder: Path, name: str, columns: Sequence[str], lines: Iterable[Line], *, private: bool = False
) -> Path:
    """Write ``columns`` of ``lines`` as CSV, unless the same table is there already.

    The file is written under a temporary name first; its final name ends with a digest of its content.

    Args:
        private: only this account can read the file, and the folder if it is made here.

    Returns:
        ``folder/<name>-<digest>.csv``, absolute.
    """
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    content = text.getvalue().encode()
    file = folder.resolve() / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}.csv"
    if not file.is_file():
        if private:
            private_folder(file.parent)
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file, private=private) as partial:
            partial.write_bytes(content)
    return file
