"""Copies of notes as views of a plan."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedgraft.client.cohort.case import Case
from fedgraft.client.cohort.inputs import CaseView, InputContext, factory_of
from fedgraft.client.notes.views import views_of
from fedgraft.client.site.limits import NoteTools, Rules
from fedgraft.client.site.row_store import Store
from fedgraft.client.text.inputs import TextInputs
from fedgraft.common.errors import DataError, PlanError
from fedgraft.common.kinds.choice import kind_of
from fedgraft.common.plan.plan import Plan

from ..notes.wordnet_in_small import write_wordnet

PlanOf = Callable[..., Plan]
NOTE = "The doctor begins. No picture of the doctor."
COPY = "The physician begins. No picture of the doctor."
TEXT = ("data=mts_dialog", "input=text", "backbone=hashed_words", "features=last", "augment=notes")


@pytest.fixture
def plan_of(compose_plan: PlanOf) -> PlanOf:
    return lambda *words: compose_plan(*TEXT, *words, small=False)


def inputs_of(plan: Plan, tools: NoteTools) -> TextInputs:
    context = InputContext(plan, ("fedgraft",), Store(None), Rules(notes=tools))
    made = factory_of(context.kind, ("fedgraft",)).inputs(context)
    assert isinstance(made, TextInputs)
    return made


def case(note: str, row: int = 0) -> Case:
    return Case("/x/manifest.csv", "a", "p", row, columns=(("text", note),))


def test_a_view_is_the_copy_under_the_guard(plan_of: PlanOf, tmp_path: Path) -> None:
    """What is denied stays, and equal texts have one key."""
    plan = plan_of()
    inputs = inputs_of(plan, NoteTools(wordnet=write_wordnet(tmp_path)))
    views = [CaseView(case(NOTE), view) for view in range(4)]
    keys = inputs.keys(views)
    assert keys == [hashlib.sha256(text.encode()).digest() for text in (NOTE, COPY, COPY, COPY)]
    ((part, found),) = inputs.batches([*views[:2], CaseView(case(COPY, 1))], 8)
    assert part == slice(0, 3)
    assert bool((found[1] == found[2]).all()) and not bool((found[0] == found[1]).all())


def test_what_the_site_lacks_is_named(plan_of: PlanOf, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is no folder of WordNet 3\.0"):
        inputs_of(plan_of(), NoteTools(wordnet=tmp_path / "gone"))
    translated = plan_of("augment.notes.synonyms=0", "augment.notes.translate=true")
    with pytest.raises(
        PlanError, match=r"augment\.notes\.translate=true, and this site's site\.yaml names no notes\.tr"
    ):
        inputs_of(translated, NoteTools())
    with pytest.raises(DataError, match=r"is no translator: write `apertium`"):
        inputs_of(translated, NoteTools(translator="gone"))


def test_a_translator_is_asked_in_one_batch(plan_of: PlanOf) -> None:
    asked: list[int] = []
    views = views_of(
        plan_of("augment.notes.synonyms=0", "augment.notes.translate=true"), NoteTools(translator="apertium")
    )
    assert views is not None

    def go(sentences: list[str]) -> list[str]:
        asked.append(len(sentences))
        return [text.replace("begins", "starts") for text in sentences]

    made = replace(views, sources=replace(views.sources, translate=go))  # type: ignore[arg-type]
    assert made.texts([(NOTE, 0), (NOTE, 1), ("It begins.", 2)]) == [
        NOTE,
        NOTE.replace("begins", "starts"),
        "It starts.",
    ]
    assert asked[0] == 3, "all of them, before one by one"


def test_a_plan_for_notes_takes_no_views_of_images(plan_of: PlanOf) -> None:
    assert kind_of(plan_of(), ("fedgraft",)).problems() == []
    assert views_of(plan_of("augment.views=1", "augment.notes.synonyms=0"), NoteTools()) is None
