"""Words, sentences, and putting them together again."""

from __future__ import annotations

import pytest

from fedgraft.client.notes.words import is_blank, put_together, sentences_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("No left-sided pain.", "No|left-sided|pain|."),
        ("12-mm nodule, T2, 120/80", "12-mm|nodule|,|T2|,|120/80"),
        ("3.5cm at L4-L5; 40% of it", "3.5cm|at|L4-L5|;|40%|of|it"),
        ("doesn’t take 5 mg p.o. s/p fall", "doesn’t|take|5|mg|p.o.|s/p|fall"),
        ("(≥ 2 x 4)", "(|≥|2|x|4|)"),
        ("", ""),
        ("Größe مرحبا 😀", "Größe|مرحبا|😀"),
    ],
)
def test_words(text: str, words: str) -> None:
    found = words_of(text)
    assert "|".join(word.text for word in found) == words
    assert [text[word.start : word.end] for word in found] == [word.text for word in found]


@pytest.mark.parametrize(
    ("note", "sentences"),
    [
        ("No mass. A cyst!  Is it?", ["No mass.", "A cyst!", "Is it?"]),
        ("Seen by Dr. Who. He left.", ["Seen by Dr. Who.", "He left."]),
        ("1.5 cm, vs. 2019.\nNo change", ["1.5 cm, vs. 2019.", "No change"]),
        ("FINDINGS:\n\nNo mass", ["FINDINGS:", "No mass"]),
        (" \n", []),
    ],
)
def test_sentences(note: str, sentences: list[str]) -> None:
    pieces = sentences_of(note)
    assert "".join(pieces) == note
    assert [piece for piece in pieces if not is_blank(piece)] == sentences


def test_words_are_changed_and_left_out_with_the_space_before_them() -> None:
    text = "The big  car, stops."
    words = words_of(text)
    assert put_together(text, words, {}) == text
    assert put_together(text, words, {1: "small", 2: None}) == "The small, stops."
    assert put_together(text, words, {0: None}) == "big  car, stops."
