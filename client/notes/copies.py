"""Copies of notes: sentence by sentence, what the guard objects to stays as it was, and is counted."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fedgraft.client.notes.guard import objection
from fedgraft.client.notes.recipe import Recipe, Sources, Way, ways_of
from fedgraft.client.notes.translation import remembered
from fedgraft.client.notes.words import is_blank, sentences_of


@dataclass(frozen=True)
class Copy:
    """A changed note: its text, the way that made it, and how many of its sentences are changed."""

    text: str
    way: str
    sentences: int


@dataclass(frozen=True)
class Copies:
    """What came of one note.

    Attributes:
        kept: copies that differ from the note and from each other; at most ``recipe.copies``.
        thrown: changed sentences that the guard threw away, by its reason, and by way: ``("translate", "negation")``.
        proposed: sentences that a way changed, by way.
        same: copies in which nothing changed, or that another copy equals.
    """

    kept: tuple[Copy, ...]
    thrown: Counter[tuple[str, str]]
    proposed: Counter[str]
    same: int


def copies_of(notes: Sequence[str], recipe: Recipe, sources: Sources, seed: int) -> list[Copies]:
    """Copies of each note, in the notes' order; copy k is made by the way k of those that are on, in turn.

    What is drawn follows from the seed, the note and the copy's number: not from the other notes.

    Raises:
        PlanError: as `ways_of`.
        DataError: the translator fails.
    """
    if recipe.translate and sources.translate is not None:
        sources = replace(sources, translate=remembered(sources.translate))
        ask = sources.translate
        assert ask is not None
        ask([piece for note in notes for piece in sentences_of(note) if not is_blank(piece)])  # all in one batch
    ways = ways_of(recipe, sources)
    return [_copies(note, recipe, list(ways.items()), seed) for note in notes]


def view_of(note: str, recipe: Recipe, sources: Sources, seed: int, view: int) -> str:
    """View 0 is the note, view k its copy k; the note itself where nothing could be changed, or not well."""
    if view == 0:
        return note
    ways = list(ways_of(recipe, sources).items())
    return _copy(note, recipe, ways[(view - 1) % len(ways)], _rng(seed, note, view)).text


@dataclass(frozen=True)
class _Made:
    """One copy with what its guard did."""

    text: str
    sentences: int
    proposed: int
    thrown: Counter[str]


def _copies(note: str, recipe: Recipe, ways: Sequence[tuple[str, Way]], seed: int) -> Copies:
    kept: dict[str, Copy] = {}
    thrown: Counter[tuple[str, str]] = Counter()
    proposed: Counter[str] = Counter()
    for number in range(1, recipe.copies + 1):
        name, way = ways[(number - 1) % len(ways)]
        made = _copy(note, recipe, (name, way), _rng(seed, note, number))
        thrown.update({(name, reason): count for reason, count in made.thrown.items()})
        proposed[name] += made.proposed
        if made.text != note:
            kept.setdefault(made.text, Copy(made.text, name, made.sentences))
    return Copies(tuple(kept.values()), thrown, proposed, recipe.copies - len(kept))


def _copy(note: str, recipe: Recipe, way: tuple[str, Way], rng: np.random.Generator) -> _Made:
    pieces: list[str] = []
    changed = proposed = 0
    thrown: Counter[str] = Counter()
    for piece in sentences_of(note):
        new = piece if is_blank(piece) else way[1](piece, rng)
        if new != piece:
            proposed += 1
            reason = objection(piece, new) if recipe.guard else None
            if reason is not None:
                thrown[reason] += 1
                new = piece
        changed += new != piece
        pieces.append(new)
    return _Made("".join(pieces), changed, proposed, thrown)


def _rng(seed: int, note: str, number: int) -> np.random.Generator:
    return np.random.default_rng(list(hashlib.sha256(json.dumps([seed, note, number]).encode()).digest()))
