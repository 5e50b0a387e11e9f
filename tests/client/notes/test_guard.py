"""The guard: what it objects to, and why."""

from __future__ import annotations

import pytest

from fedgraft.client.notes.facts import facts_of
from fedgraft.client.notes.guard import REASONS, objection
from fedgraft.client.notes.words import words_of


@pytest.mark.parametrize(
    ("sentence", "copy", "reason"),
    [
        ("No pleural effusion.", "Any pleural effusion.", "negation"),
        ("No rash on the skin.", "No eruption on the skin.", "scope"),
        ("He was asked and denies pain.", "He was asked and denies hurting.", "scope"),
        ("Give 5 mg now.", "Give 6 mg now.", "number"),
        ("Give 5 mg now.", "Give 5 g now.", "number"),
        ("Wait two days at home.", "Wait 2 days at home.", "number"),
        ("The left film shows a mass.", "The right film shows a mass.", "side"),
        ("A left-sided shadow shows.", "A shadow shows.", "side"),
        ("Burn to hand after work.", "Burn to paw after work.", "body_part"),
        ("Gave her morphine for help.", "Gave her relief for help.", "drug"),
        ("Started on ramipril at home.", "Started on enalapril at home.", "drug"),
        ("The MRI was done again.", "The scan was done again.", "abbreviation"),
        ("Seen with Smith at home.", "Seen with Jones at home.", "name"),
        ("Possible break of the arch.", "Sure break of the arch.", "context"),
        ("She went home by car.", "It went home by car.", "context"),
        ("The film shows a 12 mm nodule.", "The film shows a 12 mm shadow.", "neighbour"),
        ("The picture shows a shadow.", "The picture shows a *shadow.", "mark"),
        ("The picture shows a shadow today.", "The picture.", "length"),
        ("The Picture shows.", "the  picture shows.", "unchanged"),
        ("A mass near the liver, a cyst near the spleen.", "A cyst near the liver, a mass near the spleen.", "order"),
        ("The liver here, the spleen there.", "The liver here there, the spleen.", "order"),
        ("The physician looked at the film.", "The doctor looked at the film.", None),
        ("No fever, but the physician came.", "No fever, but the doctor came.", None),
        ("There is the effusion in no lung.", "There is effusion in no lung.", None),
    ],
)
def test_objections(sentence: str, copy: str, reason: str | None) -> None:
    assert objection(sentence, copy) == reason


def test_every_reason_is_in_the_list() -> None:
    assert len(set(REASONS)) == len(REASONS) == 14


def kinds(sentence: str) -> dict[str, str]:
    words = words_of(sentence)
    return {words[fact.place].text: fact.kind for fact in facts_of(words)}


def test_what_must_stay_by_kind() -> None:
    assert kinds("They gave 5 mg of morphine for left knee pain to Smith, no rash.") == {
        "5": "number",
        "mg": "number",
        "morphine": "drug",
        "left": "side",
        "knee": "body_part",
        "Smith": "name",
        "no": "negation",
        "rash": "scope",
        "gave": "neighbour",
    }
    assert kinds("SEEN BY THE TEAM, BP GOOD") == {"BP": "abbreviation"}
    assert kinds("Seen in April by the team") == {"April": "name"}
    assert kinds("An afebrile, nontender, unable child") == {
        "afebrile": "negation",
        "nontender": "negation",
        "unable": "negation",
    }
    assert kinds("Under the table until noon") == {"until": "context"}
