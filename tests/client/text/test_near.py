"""Notes that are nearly equal: found by MinHash, and not more than they are."""

from __future__ import annotations

import random

import numpy as np

from fedgraft.client.text.near import SHINGLE, nearly_equal, signatures

WORDS = [f"word{number}" for number in range(400)]


def note(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def jaccard(one: str, other: str) -> float:
    """The resemblance by counting."""
    sets = []
    for text in (one, other):
        words = text.split()
        sets.append({tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_the_share_of_equal_hashes_estimates_the_resemblance() -> None:
    """Of 128 hashes the standard error is at most 0.044; four of them are allowed."""
    for seed in range(8):
        one = note(seed, 100)
        other = " ".join([*one.split()[: 100 - 10 * seed], *note(seed + 100, 10 * seed).split()])
        found = signatures([one, other])
        assert abs(float((found[0] == found[1]).mean()) - jaccard(one, other)) < 0.18


def test_copies_with_another_name_or_date_are_found_and_others_are_not() -> None:
    one = note(0, 200)
    renamed = one.replace(one.split()[100], "smith", 1)
    notes = [note(1), one, note(2), renamed, note(3)]
    assert jaccard(one, renamed) > 0.9
    assert nearly_equal(signatures(notes)) == [(1, 3)]


def test_case_spaces_and_marks_do_not_count() -> None:
    assert nearly_equal(signatures(["No effusion. Heart normal", "no  EFFUSION, heart: normal!"])) == [(0, 1)]


def test_one_note_ten_thousand_times_is_one_group_in_linear_time() -> None:
    found = np.repeat(signatures([note(0)]), 10_000, axis=0)
    assert [len(places) for places in nearly_equal(found)] == [10_000]


def test_notes_of_no_or_one_word_have_a_signature() -> None:
    assert signatures(["", "pain"]).shape == (2, 128)
    assert nearly_equal(signatures(["pain", "cough"])) == []
