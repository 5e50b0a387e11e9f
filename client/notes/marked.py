"""A copy of a note, with what was changed marked."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from fedgraft.client.notes.words import words_of


def marked(note: str, copy: str) -> str:
    """The copy, with each change as ``[what the note says -> what the copy says]``; nothing where one says nothing.

    Compared are words and marks (`difflib`); spaces are the copy's own.
    """
    return "".join(_parts(note, copy))


def _parts(note: str, copy: str) -> Iterator[str]:
    old, new = words_of(note), words_of(copy)
    matcher = SequenceMatcher(None, [word.text for word in old], [word.text for word in new], autojunk=False)
    done = 0
    for what, i1, i2, j1, j2 in matcher.get_opcodes():
        if what == "equal":
            continue
        start = new[j1].start if j1 < len(new) else len(copy)
        end = new[j2 - 1].end if j2 > j1 else start
        said = note[old[i1].start : old[i2 - 1].end] if i2 > i1 else ""
        yield copy[done:start]
        yield f"[{said} -> {copy[start:end]}]".replace("[ ->", "[->").replace("-> ]", "->]")
        yield "" if j2 > j1 else " "
        done = end
    yield copy[done:]
