"""What a sentence says that a copy must say, too: each word that must stay, its kind and its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fedgraft.client.notes import lexicon
from fedgraft.client.notes.negation import negations_of, phrases_of
from fedgraft.client.notes.triggers import DENYING, NOT_DENYING
from fedgraft.client.notes.words import Word

Kind = Literal[
    "negation", "scope", "number", "side", "abbreviation", "drug", "body_part", "name", "context", "neighbour"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""``scope``: a word that is denied. ``name``: with a capital within a sentence. ``context``: certainty, time, degree,
person. ``neighbour``: what a number or a side is of. A word of several kinds has the first."""
_ARTICLES = frozenset(["a", "an", "the"])
_DENYING_BEGIN = re.compile(r"(?:non-?|un)[a-z]{3,}")
_CAPITALS = 0.6  # above this share of capital letters a note is written in capitals, and they mean nothing
_LONGEST_IN_CAPITALS = 4


@dataclass(frozen=True)
class Fact:
    """The word at ``place`` must stay: ``form`` is the word as it is compared."""

    kind: Kind
    form: str
    place: int


def facts_of(words: Sequence[Word]) -> tuple[Fact, ...]:
    """What must stay of one sentence, in its order; at most one for each word."""
    found: dict[int, Kind] = {}
    for kind, place in _places(words):
        found.setdefault(place, kind)
    for place in _neighbours(words, found):
        found.setdefault(place, "neighbour")
    return tuple(Fact(kind, _form(kind, words[place]), place) for place, kind in sorted(found.items()))


def _form(kind: Kind, word: Word) -> str:
    return word.text if kind == "abbreviation" else word.lower


def _places(words: Sequence[Word]) -> Iterator[tuple[Kind, int]]:
    """Kinds with their places, in the order of `KINDS`."""
    phrases, negations = phrases_of(words), negations_of(words)
    for phrase in phrases:
        if phrase.kind in ("pre", "post", "pseudo", "end"):
            yield from (("negation", place) for place in range(phrase.start, phrase.end))
    yield from (("negation", place) for place, word in enumerate(words) if _denying(word.lower))
    for negation in negations:
        yield from (
            ("scope", place) for place in negation.scope if words[place].is_word and words[place].lower not in _ARTICLES
        )
    yield from (("number", place) for place in _numbers(words))
    others: tuple[tuple[Kind, Callable[[Word], bool]], ...] = (
        ("side", _side),
        ("abbreviation", _abbreviation(words)),
        ("drug", _drug),
        ("body_part", _part),
    )
    for kind, is_one in others:
        yield from ((kind, place) for place, word in enumerate(words) if is_one(word))
    yield from (
        ("name", place) for place, word in enumerate(words) if place and word.text.istitle() and len(word.text) > 1
    )
    for phrase in phrases:
        if phrase.kind == "context":
            yield from (("context", place) for place in range(phrase.start, phrase.end))


def _denying(word: str) -> bool:
    return word in DENYING or (bool(_DENYING_BEGIN.fullmatch(word)) and not word.startswith(NOT_DENYING))


def _numbers(words: Sequence[Word]) -> Iterator[int]:
    """Numbers in digits and in words, and the units and signs beside them: one before, and all that follow."""
    for place, word in enumerate(words):
        if not (any(letter.isdigit() for letter in word.text) or _parts(word) & lexicon.NUMBERS):
            continue
        yield place
        if place and words[place - 1].lower in lexicon.UNITS and not words[place - 1].is_word:
            yield place - 1
        after = place + 1
        while after < len(words) and words[after].lower in lexicon.UNITS:
            yield after
            after += 1


def _side(word: Word) -> bool:
    return bool(_parts(word) & lexicon.SIDES)


def _part(word: Word) -> bool:
    return bool(_parts(word) & lexicon.BODY_PARTS)


def _drug(word: Word) -> bool:
    return any(part in lexicon.DRUGS or lexicon.DRUG_ENDINGS.fullmatch(part) for part in _parts(word))


def _parts(word: Word) -> set[str]:
    """The word, and its parts at hyphens and strokes."""
    return {word.lower, *re.split(r"[-/]", word.lower)}


def _abbreviation(words: Sequence[Word]) -> _Is:
    letters = [letter for word in words for letter in word.text if letter.isalpha()]
    capitals = sum(letter.isupper() for letter in letters) > _CAPITALS * len(letters) > 0
    return _Is(capitals)


@dataclass(frozen=True)
class _Is:
    """Whether a word is an abbreviation, in a sentence that is in capitals or not."""

    capitals: bool

    def __call__(self, word: Word) -> bool:
        text = word.text
        if word.lower in lexicon.ABBREVIATIONS or re.fullmatch(r"(?:[^\W\d_]\.){2,}", text):
            return True
        if not text.isalpha() or len(text) < 2:
            return False
        if self.capitals:
            return len(text) <= _LONGEST_IN_CAPITALS and not set(text.lower()) & set("aeiouy")
        return any(letter.isupper() for letter in text[1:])


def _neighbours(words: Sequence[Word], found: dict[int, Kind]) -> Iterator[int]:
    """The next word of content behind each number and side; where there is none in the sentence, the one before. And
    what stands directly before a number: ``stage 2``."""
    content = [place for place, word in enumerate(words) if word.is_word and word.lower not in lexicon.STOP]
    for place, kind in tuple(found.items()):
        if kind not in ("number", "side"):
            continue
        others = [other for other in content if found.get(other) not in ("number", "side")]
        after, before = [other for other in others if other > place], [other for other in others if other < place]
        if after or before:
            yield after[0] if after else before[-1]
        if kind == "number" and place - 1 in before:
            yield place - 1
