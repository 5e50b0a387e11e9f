"""A note's words and sentences, with their places; what is cut can be put together again, letter by letter."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = re.compile(
    r"""
    [^\W\d_]\.(?:[^\W\d_]\.)+                        # p.o., e.g.
    | \w*\d(?:[\w.,:/×-]*\w)?%?                      # 12, 3.5cm, 120/80, T2, L4-L5, 12-mm, 40%
    | [^\W\d_]+(?:['’/-][^\W\d_]+)*                  # left-sided, doesn't, s/p
    | \S                                             # everything else, letter by letter
    """,
    re.VERBOSE,
)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\s*\n\s*")
_NO_END = re.compile(r"(?:\b(?:dr|mr|mrs|ms|prof|st|vs|no|approx|fig|e\.g|i\.e|cf)|\b[A-Z])\.\s+$", re.IGNORECASE)
_LONGEST_TITLE = 12


@dataclass(frozen=True)
class Word:
    """A word, number or mark of a text: ``text[start:end]``."""

    text: str
    start: int
    end: int

    @property
    def lower(self) -> str:
        """In small letters, with a plain apostrophe."""
        return self.text.lower().replace("’", "'")

    @property
    def is_word(self) -> bool:
        """Whether it has a letter or a digit; the rest are marks."""
        return any(letter.isalnum() for letter in self.text)


def words_of(text: str) -> tuple[Word, ...]:
    """Every word and mark, in the text's order; only spaces are left out."""
    return tuple(Word(found.group(), found.start(), found.end()) for found in _WORD.finditer(text))


def sentences_of(note: str) -> tuple[str, ...]:
    """The note in pieces that join to the note again: sentences and lines, each followed by a piece of the spaces
    between them.

    After a title, a single capital and the like (``Dr. Who``, ``vs. 2019``) no sentence ends: a sentence that is too
    long is the safe side, as a negation reaches to its end.
    """
    return tuple(piece for piece in _pieces(note) if piece)


def is_blank(piece: str) -> bool:
    """Whether a piece of `sentences_of` is only what stands between two sentences."""
    return not any(letter.isalnum() for letter in piece)


def _pieces(note: str) -> Iterator[str]:
    begin = 0
    for found in _END.finditer(note):
        lead = note[max(begin, found.start() - _LONGEST_TITLE) : found.start()]
        if "\n" not in found.group() and _NO_END.search(lead + " "):
            continue
        yield note[begin : found.start()]
        yield found.group()
        begin = found.end()
    yield note[begin:]


def put_together(text: str, words: tuple[Word, ...], changed: dict[int, str | None]) -> str:
    """The text with some of its words changed.

    Args:
        changed: by place in ``words``: the new word, or ``None`` to leave it out with the space before it.
    """
    parts: list[str] = []
    begin = 0
    for place, word in enumerate(words):
        between = text[begin : word.start]
        begin = word.end
        new = changed.get(place, word.text)
        if new is None:
            parts.append("" if between.isspace() or not between else between)
        else:
            parts.extend([between, new])
    return "".join([*parts, text[begin:]]).lstrip() if 0 in changed else "".join([*parts, text[begin:]])
