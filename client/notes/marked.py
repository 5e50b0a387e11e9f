"""A note beside its copy, with the words that differ marked."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import SequenceMatcher

from fedgraft.client.notes.words import Word, words_of


@dataclass(frozen=True)
class Marks:
    """What brackets a word that only one of two texts has: ``gone`` in the note, ``new`` in the copy."""

    gone: tuple[str, str] = ("[-", "-]")
    new: tuple[str, str] = ("[+", "+]")


def marked(note: str, copy: str, marks: Marks | None = None) -> tuple[str, str]:
    """Both texts, with the words that only one has in brackets (`difflib`, by words; large and small letters
    differ)."""
    marks = Marks() if marks is None else marks
    old, new = words_of(note), words_of(copy)
    matcher = SequenceMatcher(None, [word.text for word in old], [word.text for word in new], autojunk=False)
    gone: list[tuple[int, int]] = []
    come: list[tuple[int, int]] = []
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what != "equal":
            gone += _span(old[i1:i2])
            come += _span(new[j1:j2])
    return _bracketed(note, gone, marks.gone), _bracketed(copy, come, marks.new)


def _span(words: tuple[Word, ...]) -> list[tuple[int, int]]:
    return [(words[0].start, words[-1].end)] if words else []


def _bracketed(text: str, spans: list[tuple[int, int]], brackets: tuple[str, str]) -> str:
    for start, end in reversed(spans):
        text = text[:start] + brackets[0] + text[start:end] + brackets[1] + text[end:]
    return text
