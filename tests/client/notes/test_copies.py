"""Copies of notes, sentence by sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from fedgraft.client.notes.copies import copies_of, view_of
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.common.errors import PlanError

NOTE = "No pain. The doctor came to the house.\nThe doctor left the house."


@dataclass(frozen=True)
class One:
    """A thesaurus in which only doctors have a synonym."""

    to: str = "physician"

    def synonyms(self, word: str) -> tuple[str, ...]:
        return (self.to,) if word == "doctor" else ()


def no_becomes_any(sentences: Sequence[str]) -> Sequence[str]:
    return [sentence.replace("No ", "Any ").replace("came to", "reached") for sentence in sentences]


def test_synonyms_in_every_sentence() -> None:
    (made,) = copies_of([NOTE], Recipe(copies=3, synonyms=0.1), Sources(One()), 0)
    assert [copy.text for copy in made.kept] == [NOTE.replace("doctor", "physician")]
    assert (made.kept[0].way, made.kept[0].sentences) == ("synonyms", 2)
    assert made.same == 2, "three equal copies are one"
    assert made.proposed == Counter(synonyms=6) and not made.thrown


def test_a_sentence_that_the_guard_objects_to_stays_and_is_counted() -> None:
    (made,) = copies_of([NOTE], Recipe(copies=1, translate=True), Sources(translate=no_becomes_any), 0)
    assert made.kept[0].text == NOTE.replace("came to", "reached")
    assert made.thrown == {("translate", "negation"): 1}
    assert made.proposed == {"translate": 2}
    (made,) = copies_of([NOTE], Recipe(copies=1, translate=True, guard=False), Sources(translate=no_becomes_any), 0)
    assert made.kept[0].text == "Any pain. The doctor reached the house.\nThe doctor left the house."
    assert not made.thrown


def test_a_note_that_can_not_be_varied_has_no_copies() -> None:
    (made,) = copies_of(["No pain."], Recipe(copies=2, synonyms=0.5, swap=0.5, delete=0.5), Sources(One()), 0)
    assert (made.kept, made.same) == ((), 2)
    (made,) = copies_of([NOTE], Recipe(copies=1, synonyms=0.1), Sources(One("left liver")), 0)
    assert made.kept == () and made.thrown == {("synonyms", "side"): 2}


def test_ways_take_turns_and_a_view_is_its_copy() -> None:
    recipe, sources = Recipe(copies=4, synonyms=0.1, swap=0.1), Sources(One())
    (made,) = copies_of([NOTE], recipe, sources, 7)
    views = [view_of(NOTE, recipe, sources, 7, view) for view in range(5)]
    assert views[0] == NOTE and views[1] == views[3] == NOTE.replace("doctor", "physician")
    assert {copy.text for copy in made.kept} == set(views) - {NOTE}
    assert {copy.way for copy in made.kept} == {"synonyms", "swap"}
    assert copies_of(["Another note.", NOTE], recipe, sources, 7)[1] == made, "not by the other notes"
    assert view_of(NOTE, recipe, sources, 8, 2) != views[2]


def test_a_translator_is_asked_once_for_each_sentence_of_all_notes() -> None:
    asked: list[Sequence[str]] = []

    def ask(sentences: Sequence[str]) -> Sequence[str]:
        asked.append(list(sentences))
        return sentences

    copies_of([NOTE, NOTE, "No pain."], Recipe(copies=2, translate=True), Sources(translate=ask), 0)
    assert asked == [["No pain.", "The doctor came to the house.", "The doctor left the house."]]


def test_capitals_are_kept() -> None:
    (made,) = copies_of(["Doctor came.\nDOCTOR CAME."], Recipe(copies=1, synonyms=0.1), Sources(One()), 0)
    assert made.kept[0].text == "Physician came.\nPHYSICIAN CAME."


def test_other_scripts_and_very_long_notes() -> None:
    for note in ("", "\n\n", "😀 مرحبا", "Αθήνα. " * 50, "a" * 100_000):
        (made,) = copies_of([note], Recipe(copies=3, synonyms=0.1, swap=0.1, delete=0.1), Sources(One()), 0)
        assert all(copy.text != note for copy in made.kept)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"synonyms": 0.6}, r"synonyms=0\.6 must be between 0 and 0\.5"),
        ({"swap": -0.1}, r"swap=-0\.1 must be between 0 and 0\.5"),
        ({"copies": 0, "delete": 0.1}, "copies=0 must be 1 or more"),
        ({}, "copies of notes would be the notes: set synonyms, swap, delete or translate"),
    ],
)
def test_recipes_that_make_no_sense(options: dict[str, float], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        Recipe(**options)  # type: ignore[arg-type]


def test_what_a_recipe_needs_of_the_site() -> None:
    with pytest.raises(
        PlanError, match=r"synonyms need a thesaurus: name a folder of WordNet \(Debian: wordnet-base\)"
    ):
        copies_of([NOTE], Recipe(synonyms=0.1), Sources(), 0)
    with pytest.raises(PlanError, match="translate=true needs a translator: name `apertium` or package"):
        copies_of([NOTE], Recipe(translate=True), Sources(), 0)
