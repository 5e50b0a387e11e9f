"""The finding on copies of notes: how many, and what the guard throws away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fedgraft.client.check.sections.notes.copies import copies
from fedgraft.client.notes.recipe import Recipe, Sources
from fedgraft.client.notes.views import NoteViews


def go(sentences: Sequence[str]) -> Sequence[str]:
    return [text.replace("No", "Any").replace("big", "large") for text in sentences]


VIEWS = NoteViews(Recipe(copies=1, translate=True), Sources(translate=go), 0)
NOTES = ["No pain. A big house.", "No cough."]


def test_what_is_kept_and_thrown_away() -> None:
    """Of three sentences that come back otherwise two have lost their denial."""
    assert list(copies(NOTES, None)) == []
    (found,) = copies(NOTES, VIEWS)
    assert (found.grade, found.what, found.todo) == ("ok", "copies", "")
    assert found.text == (
        "1 of 2 notes looked at get a copy that differs; of 3 changed sentences 2 were thrown away, negation 2"
    )


def test_without_a_copy_or_without_the_guard_somebody_should_look() -> None:
    (found,) = copies(["No cough."], VIEWS)
    assert (found.grade, found.todo) == ("warning", "look at them: fedgraft augment --show --notes")
    (found,) = copies(NOTES, replace(VIEWS, recipe=replace(VIEWS.recipe, guard=False)))
    assert found.grade == "warning" and "2 of 2 notes" in found.text
    assert found.text.endswith("copies may deny, count or name something else than their note")
