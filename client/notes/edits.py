"""Easy data augmentation (Wei & Zou, EMNLP 2019): synonyms, swaps and deletions, a sentence at a time.

Their fourth way, a synonym put in at any place, is left out: it says what nobody wrote. Each function proposes a
changed sentence, or the sentence itself where it finds nothing to change.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedgraft.client.notes.facts import facts_of
from fedgraft.client.notes.lexicon import STOP
from fedgraft.client.notes.wordnet import Thesaurus
from fedgraft.client.notes.words import Word, put_together, words_of


def stretches(words: Sequence[Word], kept: bool) -> list[list[int]]:
    """The places of words that may change, in stretches between those that must stay.

    Args:
        kept: ``False``: every word may change, and all are one stretch, as EDA has it.
    """
    facts = {fact.place for fact in facts_of(words)} if kept else set()
    found: list[list[int]] = [[]]
    for place, word in enumerate(words):
        if place in facts:
            found.append([])
        elif word.text.isalpha() and not (kept and word.lower in STOP):
            found[-1].append(place)
    return [stretch for stretch in found if stretch]


def with_synonyms(sentence: str, thesaurus: Thesaurus, share: float, kept: bool, rng: np.random.Generator) -> str:
    """Replace ``share`` of the words, at least one, each by one of its synonyms; words of grammar never."""
    words = words_of(sentence)
    places = [place for stretch in stretches(words, kept) for place in stretch if words[place].lower not in STOP]
    able = [place for place in places if thesaurus.synonyms(words[place].lower)]
    chosen = rng.permutation(able)[: _count(share, words)].tolist() if able else []
    changed: dict[int, str | None] = {}
    for place in chosen:
        others = thesaurus.synonyms(words[place].lower)
        changed[place] = _like(words[place].text, others[int(rng.integers(len(others)))])
    return put_together(sentence, words, changed)


def with_swaps(sentence: str, share: float, kept: bool, rng: np.random.Generator) -> str:
    """Exchange two words, ``share`` of the words times and at least once; where words must stay, within a stretch."""
    words = words_of(sentence)
    able = [
        [place for place in stretch if not (kept and words[place].text.istitle())] for stretch in stretches(words, kept)
    ]
    able = [stretch for stretch in able if len(stretch) > 1]
    if not able:
        return sentence
    texts = {place: words[place].text for stretch in able for place in stretch}
    for _ in range(_count(share, words)):
        stretch = able[int(rng.integers(len(able)))]
        one, other = rng.choice(stretch, 2, replace=False).tolist()
        texts[one], texts[other] = texts[other], texts[one]
    return put_together(sentence, words, dict(texts))


def with_deletions(sentence: str, share: float, kept: bool, rng: np.random.Generator) -> str:
    """Leave out each word with the chance ``share``, never all."""
    words = words_of(sentence)
    able = [place for stretch in stretches(words, kept) for place in stretch]
    chosen = [place for place, draw in zip(able, rng.random(len(able)), strict=True) if draw < share]
    if len(chosen) == sum(word.is_word for word in words):
        return sentence
    return put_together(sentence, words, dict.fromkeys(chosen))


def _count(share: float, words: Sequence[Word]) -> int:
    return max(1, round(share * sum(word.is_word for word in words)))


def _like(old: str, new: str) -> str:
    """``new`` with the capitals of ``old``: all, the first, or none."""
    if old.isupper() and len(old) > 1:
        return new.upper()
    return new[:1].upper() + new[1:] if old[:1].isupper() else new
