"""What a sentence denies: triggers and how far each reaches (NegEx; `fedgraft.client.notes.triggers`)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from fedgraft.client.notes.triggers import CONTEXT, END, POST, PRE, PSEUDO
from fedgraft.client.notes.words import Word, words_of

_KINDS = {"pseudo": PSEUDO, "pre": PRE, "post": POST, "end": END, "context": CONTEXT}
"""Of phrases of equal length the first kind counts."""


@dataclass(frozen=True)
class Phrase:
    """A phrase of the lists at ``words[start:end]``; ``kind``: pseudo, pre, post, end or hedge."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class Negation:
    """A trigger (`Phrase` of kind pre, post or pseudo), and the places of the words that it denies, ``scope``."""

    trigger: Phrase
    scope: range


def phrases_of(words: Sequence[Word]) -> tuple[Phrase, ...]:
    """The phrases of the lists, from left to right, the longest at each place. ``doesn't`` counts as ``not``."""
    forms = ["not" if word.lower.endswith("n't") and word.lower != "can't" else word.lower for word in words]
    found: list[Phrase] = []
    place = 0
    while place < len(words):
        phrase = _longest(forms, place)
        if phrase is not None:
            found.append(phrase)
        place = place + 1 if phrase is None else phrase.end
    return tuple(found)


def negations_of(words: Sequence[Word]) -> tuple[Negation, ...]:
    """What one sentence denies.

    A ``pre`` trigger denies what follows, a ``post`` trigger what stands before, both up to the sentence's end, a word
    that ends the scope, or the next trigger of their kind: the later NegEx and ConText; in the paper of 2001 at most
    five words. ``pseudo`` denies no finding (``no change in``, ``not certain whether``) and has what follows as its
    scope, too: a copy must say it in the same words.
    """
    phrases = phrases_of(words)
    ends = [phrase for phrase in phrases if phrase.kind == "end"]
    forward = [phrase for phrase in phrases if phrase.kind in ("pre", "pseudo")]
    backward = [phrase for phrase in phrases if phrase.kind == "post"]
    found = []
    for phrase in forward:
        after = [stop.start for stop in (*ends, *forward) if stop.start >= phrase.end]
        found.append(Negation(phrase, range(phrase.end, min(after, default=len(words)))))
    for phrase in backward:
        before = [stop.end for stop in (*ends, *backward) if stop.end <= phrase.start]
        found.append(Negation(phrase, range(max(before, default=0), phrase.start)))
    return tuple(found)


def denies(sentence: str) -> bool:
    """Whether any finding is denied in a sentence."""
    return any(found.trigger.kind != "pseudo" for found in negations_of(words_of(sentence)))


def _longest(forms: Sequence[str], place: int) -> Phrase | None:
    for phrase, kind in _lists().get(forms[place], ()):
        if tuple(forms[place : place + len(phrase)]) == phrase:
            return Phrase(kind, place, place + len(phrase))
    return None


@cache
def _lists() -> Mapping[str, tuple[tuple[tuple[str, ...], str], ...]]:
    """Phrases, as words, with their kind, by their first word; the longest first."""
    by_first: dict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for phrase, kind in _all_phrases():
        by_first[phrase[0]].setdefault(phrase, kind)
    return {first: tuple(sorted(those.items(), key=lambda item: -len(item[0]))) for first, those in by_first.items()}


def _all_phrases() -> Iterator[tuple[tuple[str, ...], str]]:
    for kind, phrases in _KINDS.items():
        yield from ((tuple(word.lower for word in words_of(phrase)), kind) for phrase in phrases)
