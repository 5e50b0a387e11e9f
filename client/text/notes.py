"""From a case to its note: where it stands, and whether it is one."""

from __future__ import annotations

import base64
import binascii
import os
import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.quarantine import CaseError
from fedgraft.client.text.files import NoteFiles
from fedgraft.client.text.language import clearly_other

TEXT_FILE = "text_file"
"""The manifest's column of a note's own file, relative to the manifest's folder."""
_MOST_CONTROLS = 0.02  # share of a text's first bytes that are no characters of text: more is a binary file
_LOOKED_AT = 65_536
_LONG, _COMPRESSED = (
    2_000,
    0.01,
)  # a note of so many characters that shrinks to this share says the same again and again
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\x0b\x1b"))
_DROPPED = re.compile("[\x00-\x08\x0b-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_WORD = re.compile(r"\w")
_BYTES = 4  # of a character in UTF-8, at most


@dataclass(frozen=True)
class NoteReader:
    """Reads notes.

    Attributes:
        files: reads tables of notes, and keeps what it has read.
        column: of the manifest or of a table, that holds the note.
        coding: ``plain`` or ``base64``.
        languages: codes; empty for any.
        most_characters: of a note.
    """

    files: NoteFiles
    column: str
    coding: str
    languages: tuple[str, ...]
    most_characters: int

    def note(self, case: Case) -> str:
        """The note: NFC, without control characters (of those, tabs become spaces), lines ended by a line feed.

        It is looked for in the manifest's column, else in the file that `TEXT_FILE` names, else in the table and row
        that ``path`` and ``row`` name, else ``path`` is the note's own file.

        Raises:
            CaseError: it can't be used.
            DataError: a table has no such column.
        """
        own = case.column(self.column)
        if own is not None:
            text = self._decoded(own.encode()) if self.coding == "base64" else own
        else:
            text = self._decoded(self._bytes(case))
        return self._checked(text)

    def _bytes(self, case: Case) -> bytes:
        named = case.column(TEXT_FILE)
        if named is not None:
            return self._file(_inside(Path(case.path).parent, named))
        if case.in_a_table:
            return self.files.cell(Path(case.path), self.column, case.row)
        return self._file(Path(case.path))

    def _file(self, path: Path) -> bytes:
        try:
            if path.stat().st_size > self._most_bytes:
                raise CaseError("too-long", f"a file of more than {self._most_bytes} bytes")
            return path.read_bytes()
        except (OSError, ValueError):
            raise CaseError("missing") from None

    @property
    def _most_bytes(self) -> int:
        return self.most_characters * _BYTES * (2 if self.coding == "base64" else 1)

    def _decoded(self, held: bytes) -> str:
        if len(held) > self._most_bytes:
            raise CaseError("too-long")
        if self.coding == "base64":
            try:
                held = base64.b64decode(b"".join(held.split()), validate=True)
            except binascii.Error:
                raise CaseError("encoding", "not base64, which the plan's input.coding says") from None
        if held[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise CaseError("encoding", "UTF-16 text; save it as UTF-8")
        start = held[:_LOOKED_AT]
        if b"\0" in start or len(start) - len(start.translate(None, _CONTROLS)) > _MOST_CONTROLS * len(start):
            raise CaseError("not-text")
        try:
            return held.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise CaseError("encoding", "not UTF-8 text (is it Latin-1 or Windows-1252?)") from None

    def _checked(self, text: str) -> str:
        if len(text) > self.most_characters:
            raise CaseError("too-long", f"more than {self.most_characters} characters")
        plain = _DROPPED.sub("", unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")))
        plain = plain.replace("\t", " ").strip()
        if not _WORD.search(plain):
            raise CaseError("empty")
        if len(plain) >= _LONG and len(zlib.compress(plain.encode(), 1)) < _COMPRESSED * len(plain.encode()):
            raise CaseError("repetitive")
        if self.languages and (other := clearly_other(plain, self.languages)) is not None:
            raise CaseError("other-language", f"the note is in {other}")
        return plain


def _inside(folder: Path, named: str) -> Path:
    """The path of a file that a manifest names; relative ones may not leave its folder.

    Raises:
        CaseError: one does, or none is named.
    """
    if not named:
        raise CaseError("missing", "no file is named")
    if named.startswith(os.sep):
        return Path(named)
    path = os.path.normpath(folder / named)
    if not path.startswith(f"{folder}{os.sep}"):
        raise CaseError("missing", "the file lies outside of the manifest's folder; write its path absolute if it must")
    return Path(path)


def words_of(note: str) -> Sequence[str]:
    """The words of a note, in small letters."""
    return re.findall(r"\w+", note.casefold())
