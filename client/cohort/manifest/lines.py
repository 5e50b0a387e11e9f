"""Make cases of a manifest's lines: the cells of each column are checked, and the memory of all lines is limited.

Repeated cells (a sex, a class, a site) are held once, so that a million lines fit into memory.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from sys import getsizeof

from fedgraft.client.cohort.case import SPLITS, Case
from fedgraft.common.errors import DataError

KNOWN = ("path", "row", "label", "patient", "group", "split")
HELD_BYTES = 800_000_000
_CASE_BYTES = 350  # of a case with its path and patient, and its share of the memory that the checks need
_SHARED = 4_096  # distinct cells per column that are shared; further ones are held separately
_PATH_BYTES = 4_095  # PATH_MAX of Linux, and of one name in it
_NAME_BYTES = 255


class CaseLines:
    """Makes a case of each line of one manifest. ``empty``: lines with an empty cell, by column that must have none.

    Args:
        path: the manifest's path, to which its paths are relative.
        header: its column names.

    Raises:
        DataError: a column is missing.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        place = {name: number for number, name in enumerate(header)}
        if "patient" not in place:
            near = {name.casefold() for name in header} & set(KNOWN) - set(place)
            hint = f" (write {', '.join(sorted(near))} in small letters)" if near else ""
            raise DataError(f"manifest {path} lacks the column `patient` in its first line{hint}")
        if "row" in place and "path" not in place:
            raise DataError(f"manifest {path} has a column `row` but no `path`; name the file, or rename the column")
        folder = str(path.parent.resolve())
        if "::" in folder:
            raise DataError(f"manifest {path}: its folder has `::` in its name, which stands before an array's name")
        self._manifest, self._folder = path, folder
        self._inside = folder.rstrip(os.sep) + os.sep
        self._itself = self._inside + path.name
        self._places = tuple(place.get(name) for name in KNOWN[1:])
        self._path = place.get("path")
        self._others: list[tuple[int, str, dict[str, tuple[str, str]]]] = [
            (number, name, {}) for name, number in place.items() if name not in KNOWN
        ]
        self._texts: dict[str, str] = {}
        self._last = ("", "")
        self._held = 0
        self.empty: dict[str, list[int]] = defaultdict(list)

    def case(self, line: int, cells: Sequence[str]) -> Case:
        """The case of a line.

        Raises:
            DataError: a cell does not fit its column, or the lines up to here take more than `HELD_BYTES`.
        """
        row, label, patient, group, split = [None if at is None else cells[at].strip() for at in self._places]
        path = None if self._path is None else cells[self._path]
        if split and split not in SPLITS:
            raise DataError(f"{self._where(line)}: `split` must be one of {', '.join(SPLITS)}")
        if row and not (row.isascii() and row.isdecimal() and len(row) < 10):
            raise DataError(f"{self._where(line)}: `row` must be a whole number, 0 or more")
        if path == "" or label == "" or patient == "":
            self._note_empty(line, path=path, label=label, patient=patient)
        columns = tuple([self._pair(name, cells[number].strip(), pairs) for number, name, pairs in self._others])
        self._held += _CASE_BYTES + 8 * len(cells) + len(patient or "")
        if self._held > HELD_BYTES:
            raise DataError(
                f"{self._where(line)}: the lines up to here take more than {HELD_BYTES} bytes of memory; put features "
                "into a file of their own, named by `path` and `row`"
            )
        return Case(
            self._itself if path is None else self._absolute(path, line),
            self._text(label) if label else "",
            patient or "",
            line - 2 if path is None else int(row) if row else None,
            self._text(group) if group else None,
            self._text(split) if split else None,
            columns,
        )

    def _note_empty(self, line: int, **cells: str | None) -> None:
        for name, cell in cells.items():
            if cell == "":
                self.empty[name].append(line)

    def _where(self, line: int) -> str:
        return f"manifest {self._manifest}, line {line}"

    def _absolute(self, path: str, line: int) -> str:
        """The absolute path without ``..``; the last one is cached, since consecutive lines often have the same."""
        if path == self._last[0]:
            return self._last[1]
        file, separator, array = path.partition("::")
        absolute = os.path.normpath(file if file.startswith(os.sep) else self._inside + file)
        if separator and not file:
            raise DataError(f"{self._where(line)}: `path` names no file before `::`")
        if not (file.startswith(os.sep) or absolute.startswith(self._inside) or absolute == self._folder):
            raise DataError(f"{self._where(line)}: `path` leaves the manifest's folder; write it absolute if it must")
        if len(absolute) > _NAME_BYTES and _too_long(absolute):
            raise DataError(f"{self._where(line)}: `path` is longer than a file's name can be")
        self._held += 2 * getsizeof(path)
        self._last = (path, absolute + separator + array)
        return self._last[1]

    def _pair(self, name: str, cell: str, pairs: dict[str, tuple[str, str]]) -> tuple[str, str]:
        pair = pairs.get(cell)
        if pair is None:
            pair = (name, cell)
            self._held += 56 + getsizeof(cell)
            if len(pairs) < _SHARED:
                pairs[cell] = pair
        return pair

    def _text(self, cell: str) -> str:
        known = self._texts.get(cell)
        if known is not None:
            return known
        self._held += getsizeof(cell)
        if len(self._texts) < _SHARED:
            self._texts[cell] = cell
        return cell


def _too_long(path: str) -> bool:
    encoded = os.fsencode(path)
    return len(encoded) > _PATH_BYTES or any(len(name) > _NAME_BYTES for name in encoded.split(os.fsencode(os.sep)))
