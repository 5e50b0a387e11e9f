"""The guard: whether a copy of a sentence still says what the sentence says.

It compares what must stay (`fedgraft.client.notes.facts`), word for word and in the same order. It is strict: a copy
that says the same in other words of denial is thrown away, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from fedgraft.client.notes.facts import KINDS, Fact, Kind, facts_of
from fedgraft.client.notes.words import Word, words_of

Reason = Kind | Literal["unchanged", "mark", "length", "order"]
REASONS: tuple[Reason, ...] = ("unchanged", "mark", "length", *KINDS, "order")
"""Why a copy is thrown away. ``mark``: a translator's sign of a word that it does not know. ``length``: more or fewer
words than a copy can have. ``order``: a word stands on the other side of one that must stay."""
_MARKS = "*#@"
_SHORTEST, _LONGEST = 0.6, 1.67


def objection(sentence: str, copy: str) -> Reason | None:
    """The first reason against a copy of one sentence; ``None`` if it may stand for the sentence."""
    if "".join(sentence.lower().split()) == "".join(copy.lower().split()):
        return "unchanged"
    if any(copy.count(mark) > sentence.count(mark) for mark in _MARKS):
        return "mark"
    before, after = words_of(sentence), words_of(copy)
    ratio = _count(after) / max(_count(before), 1)
    if not _SHORTEST <= ratio <= _LONGEST:
        return "length"
    old, new = facts_of(before), facts_of(after)
    for kind in KINDS:
        if _forms(old, kind) != _forms(new, kind):
            return kind
    return _out_of_order(before, old, after, new)


def _count(words: Sequence[Word]) -> int:
    return sum(word.is_word for word in words)


def _forms(facts: Sequence[Fact], kind: Kind) -> list[str]:
    return [fact.form for fact in facts if fact.kind == kind]


def _out_of_order(
    before: Sequence[Word], old: Sequence[Fact], after: Sequence[Word], new: Sequence[Fact]
) -> Reason | None:
    """Whether what must stay stands in another order, or a word that both have moved across one that must stay."""
    if [(fact.kind, fact.form) for fact in old] != [(fact.kind, fact.form) for fact in new]:
        return "order"
    was, now = _stretches(before, old), _stretches(after, new)
    moved = any(was[word] != now[word] for word in was.keys() & now.keys())
    return "order" if moved else None


def _stretches(words: Sequence[Word], facts: Sequence[Fact]) -> dict[str, int]:
    """For each free word that stands once: how many that must stay stand before it."""
    kept = {fact.place for fact in facts}
    free = [(word.lower, sum(other < place for other in kept)) for place, word in enumerate(words) if place not in kept]
    counts: dict[str, int] = {}
    for form, _ in free:
        counts[form] = counts.get(form, 0) + 1
    return {form: stretch for form, stretch in free if counts[form] == 1 and form.isalpha()}
