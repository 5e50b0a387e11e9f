"""Synonyms from WordNet's own files (wndb(5WN), cntlist(5WN)), read where they lie; nothing is loaded into memory.

WordNet 3.0 (Fellbaum 1998; licence of Princeton University, free of charge) lies in ``/usr/share/wordnet`` where
Debian's package ``wordnet-base`` is installed, or wherever a site has unpacked Princeton's folder ``dict``.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, Protocol

from fedgraft.common.errors import DataError

Senses = Literal["shared", "every"]
DEBIAN = Path("/usr/share/wordnet")
_PARTS = ("noun", "verb", "adj", "adv")
_SENSE_TYPES = {"noun": "1", "verb": "2", "adj": "35", "adv": "4"}  # ss_type of a sense key, senseidx(5WN)
_MARKER = re.compile(r"\((?:a|p|ip)\)$")  # where an adjective may stand


class Thesaurus(Protocol):
    """Whatever knows synonyms: the word in small letters -> words or phrases in small letters, never the word
    itself."""

    def synonyms(self, word: str) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Sense:
    """A set of words that mean the same: its part of speech and its place in ``data.<part>``, in bytes."""

    part: str
    offset: int


class WordNet:
    """The thesaurus of a folder of WordNet's files.

    Args:
        folder: with ``index.noun``, ``data.noun``, ..., and ``cntlist.rev``.
        senses: ``every``: all words of all senses, as EDA does (a paw is a hand). ``shared``: only words whose most
            frequent sense is the word's own most frequent sense, as counted in texts tagged by hand; few, and mostly
            right.

    Raises:
        DataError: the folder lacks a file.
    """

    def __init__(self, folder: Path, senses: Senses = "shared") -> None:
        names = [f"{kind}.{part}" for kind in ("index", "data") for part in _PARTS] + ["cntlist.rev"]
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise DataError(
                f"{folder} is no folder of WordNet 3.0, it has no {', '.join(missing)}: install Debian's package "
                f"wordnet-base (then it is {DEBIAN}), or name the folder `dict` of Princeton's archive"
            )
        self._files = {name: _mapped(folder / name) for name in names}
        self._senses: Senses = senses
        self.synonyms = lru_cache(maxsize=1 << 16)(self._synonyms)

    def _synonyms(self, word: str) -> tuple[str, ...]:
        """Words and phrases of small letters that mean the same as ``word``, by the alphabet."""
        if not word[:1].isalpha() or not word.isascii():
            return ()
        if self._senses == "every":
            found = {other for sense in self._all(word) for other in self._members(sense)}
        else:
            first = self._first(word)
            members = self._members(first) if first is not None else []
            found = {other for other in members if self._first(other) == first}
        return tuple(sorted(found - {word}))

    def _first(self, word: str) -> Sense | None:
        """The most frequent sense; ``None`` if no text decides between parts of speech, or there is none."""
        counts: dict[Sense, int] = {}
        listed = {part: self._index(word, part) for part in _PARTS}
        for part, number, count in self._counted(word):
            if number <= len(listed[part]):
                counts[listed[part][number - 1]] = count
        if counts:
            best = max(counts, key=lambda sense: counts[sense])
            return best if 2 * counts[best] > sum(counts.values()) else None
        known = [senses for senses in listed.values() if senses]
        return known[0][0] if len(known) == 1 else None

    def _all(self, word: str) -> Iterator[Sense]:
        for part in _PARTS:
            yield from self._index(word, part)

    def _index(self, word: str, part: str) -> list[Sense]:
        """The senses of one part of speech, the most frequent first: the last fields of its line in the index."""
        for fields in _lines(self._files[f"index.{part}"], word.replace(" ", "_") + " "):
            count = int(fields[2])
            return [Sense(part, int(offset)) for offset in fields[-count:]]
        return []

    def _counted(self, word: str) -> Iterator[tuple[str, int, int]]:
        """Part of speech, number of the sense there, and how often it was tagged."""
        for key, number, count in _lines(self._files["cntlist.rev"], word.replace(" ", "_") + "%"):
            kind = key.partition("%")[2][:1]
            part = next(part for part, types in _SENSE_TYPES.items() if kind in types)
            yield part, int(number), int(count)

    def _members(self, sense: Sense) -> list[str]:
        """The words of a set: field 3 counts them, in hexadecimal; each is followed by its lex_id. Names are left
        out."""
        file = self._files[f"data.{sense.part}"]
        fields = file[sense.offset : file.find(b"\n", sense.offset)].decode().split()
        words = [_MARKER.sub("", fields[4 + 2 * place]).replace("_", " ") for place in range(int(fields[3], 16))]
        return [word for word in words if word == word.lower() and word.replace(" ", "").replace("-", "").isalpha()]


def _mapped(file: Path) -> mmap.mmap:
    with file.open("rb") as opened:
        return mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)


def _lines(file: mmap.mmap, begin: str) -> Iterator[list[str]]:
    """The fields of all lines that begin so, in a file whose lines are sorted by their bytes; found by halving."""
    prefix = begin.encode()
    low, high = 0, len(file)
    while low < high:
        start = file.rfind(b"\n", 0, (low + high) // 2) + 1
        end = file.find(b"\n", start) + 1 or len(file)
        if file[start:end] < prefix:
            low = end
        else:
            high = start
    while file[low : low + len(prefix)] == prefix:
        end = file.find(b"\n", low) + 1 or len(file)
        yield file[low:end].decode().split()
        low = end
