"""NegEx: what a sentence denies."""

from __future__ import annotations

import pytest

from fedgraft.client.notes.negation import denies, negations_of
from fedgraft.client.notes.words import words_of


def denied(sentence: str) -> list[str]:
    """``trigger > scope`` of each negation, in words."""
    words = words_of(sentence)

    def text(places: range) -> str:
        return " ".join(words[place].lower for place in places if words[place].is_word)

    return [f"{text(range(n.trigger.start, n.trigger.end))} > {text(n.scope)}" for n in negations_of(words)]


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("There is no evidence of pneumothorax.", ["no evidence of > pneumothorax"]),
        ("She denies fever, chills or cough.", ["denies > fever chills or cough"]),
        ("No fever but a cough.", ["no > fever"]),
        ("No fever, no chills.", ["no > fever", "no > chills"]),
        ("A fracture was ruled out.", ["was ruled out > a fracture"]),
        ("A cough, however pneumonia is unlikely.", ["unlikely > pneumonia is"]),
        ("The patient doesn't smoke.", ["doesn't > smoke"]),
        ("He can't walk.", ["can't > walk"]),
        ("Fever without cause of concern.", ["without > "]),
        ("The sun is bright.", []),
        ("There is no free air.", ["no > free air", "free > there is no"]),
        ("Effusion is not seen on the left.", ["is not seen > effusion"]),
        ("No change in the effusion.", ["no change > in the effusion"]),
        ("Not certain whether he fell.", ["not certain whether > he fell"]),
        ("Without signs of infection, although warm", ["without signs of > infection"]),
        ("Ruled the patient out for infarction.", ["ruled the patient out for > infarction"]),
    ],
)
def test_triggers_and_how_far_they_reach(sentence: str, found: list[str]) -> None:
    assert denied(sentence) == found


def test_a_pseudo_negation_denies_no_finding() -> None:
    assert not denies("Gram negative rods, no change, not only a cough.")
    assert denies("No rods.")
    assert not denies("Rods.")
